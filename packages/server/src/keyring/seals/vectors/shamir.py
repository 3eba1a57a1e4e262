# An independent implementation: log/exp tables (generator 3) and Gaussian elimination instead of Horner/Lagrange.
import json,random
EXP=[0]*512;LOG=[0]*256
x=1
for i in range(255):
    EXP[i]=x;LOG[x]=i
    x^=(x<<1)^(0x11b if x&0x80 else 0); x&=0xff if x<256 else 0x1ff
    x&=0xff
for i in range(255,512):EXP[i]=EXP[i-255]
def mul(a,b):return 0 if a==0 or b==0 else EXP[LOG[a]+LOG[b]]
def inv(a):return EXP[255-LOG[a]]
def slow(a,b):
    r=0
    for i in range(8):
        if b>>i&1:r^=a<<i
    for i in range(14,7,-1):
        if r>>i&1:r^=0x11b<<(i-8)
    return r
for a in range(256):
    for b in range(256):assert mul(a,b)==slow(a,b),(a,b)
rnd=random.Random(20261120)
def powx(x,k):
    r=1
    for _ in range(k):r=mul(r,x)
    return r
def solve(xs,ys):
    n=len(xs);m=[[powx(x,k) for k in range(n)]+[y] for x,y in zip(xs,ys)]
    for c in range(n):
        p=next(r for r in range(c,n) if m[r][c]);m[c],m[p]=m[p],m[c]
        i=inv(m[c][c]);m[c]=[mul(v,i) for v in m[c]]
        for r in range(n):
            if r!=c and m[r][c]:
                f=m[r][c];m[r]=[v^mul(f,w) for v,w in zip(m[r],m[c])]
    return m[0][n]
out=[]
for (n,t,size) in [(1,1,32),(2,2,32),(5,3,32),(7,4,16),(255,2,32),(10,10,32),(12,9,33)]:
    secret=bytes(rnd.randrange(256) for _ in range(size))
    coef=[bytes(rnd.randrange(256) for _ in range(size)) for _ in range(t-1)]
    xs=rnd.sample(range(1,256),n)
    shares=[]
    for x in xs:
        y=bytearray()
        for j in range(size):
            v=secret[j]
            for k,c in enumerate(coef):v^=mul(c[j],powx(x,k+1))
            y.append(v)
        shares.append(bytes(y)+bytes([x]))
    chosen=rnd.sample(shares,t)
    back=bytes(solve([s[-1] for s in chosen],[s[j] for s in chosen]) for j in range(size))
    assert back==secret
    out.append(dict(threshold=t,secret=secret.hex(),shares=[s.hex() for s in (shares if n<20 else rnd.sample(shares,6))]))
products=[]
for _ in range(12):
    a,b=rnd.randrange(256),rnd.randrange(256);products.append([a,b,mul(a,b)])
print(json.dumps(dict(products=products,splits=out),indent=1))
