"""What people do with hvac, against a real server: `hvac_scenarios.py NAME` runs one scenario, `--list` names them.

VAULT_ADDR, VAULT_TOKEN and VAULT_CACERT say where the server is. Works with hvac 0.11 of Debian 12 and with 2.x, and
fails (exit status 1, the traceback on standard error) at the first thing that is not as expected.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time

import hvac
from hvac import exceptions

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def client(token=None):
    return hvac.Client(
        url=os.environ["VAULT_ADDR"],
        token=os.environ.get("VAULT_TOKEN") if token is None else token,
        verify=os.environ["VAULT_CACERT"],
    )


def same(got, expected):
    assert got == expected, "expected %r, got %r" % (expected, got)


def holds(whole, part):
    """`whole` has the fields of `part`, whatever else it has."""
    for name, value in part.items():
        assert name in whole, "expected a field %r in %r" % (name, sorted(whole))
        same(whole[name], value)


def refused(error, call, *arguments, **fields):
    try:
        answer = call(*arguments, **fields)
    except error as refusal:
        return str(refusal)
    raise AssertionError("expected %s, got an answer: %r" % (error.__name__, answer))


def text64(text):
    return base64.b64encode(text.encode()).decode()


def lists(c, path):
    """All ways to list: the verb by `list`, the verb by the adapter, and the query that other clients send."""
    by_verb = c.list(path)["data"]["keys"]
    same(c.adapter.list("/v1/" + path)["data"]["keys"] if hasattr(c, "adapter") else by_verb, by_verb)
    adapter = getattr(c, "adapter", None) or c._adapter
    for value in ("true", "1"):
        same(as_json(adapter.get("/v1/" + path, params={"list": value}))["data"]["keys"], by_verb)
    return by_verb


def as_json(answer):
    return answer.json() if hasattr(answer, "json") else answer


@scenario
def status(c):
    assert c.is_authenticated()
    assert c.sys.is_initialized()
    assert not c.sys.is_sealed()
    holds(as_json(c.sys.read_health_status(method="GET")), {"initialized": True, "sealed": False, "standby": False})
    same(c.sys.read_health_status(method="HEAD").status_code, 200)
    holds(c.sys.read_leader_status(), {"is_self": True})
    holds(c.sys.read_seal_status(), {"sealed": False, "initialized": True})
    assert not client("not-a-token").is_authenticated()
    c.sys.rotate_encryption_key()
    assert c.sys.get_encryption_key_status()["data"]["term"] >= 2
    assert c.sys.read_rekey_progress()["started"] is False
    assert c.sys.read_root_generation_progress()["started"] is False


@scenario
def mounts(c):
    c.sys.enable_secrets_engine("kv", path="moving", options={"version": "1"}, description="for people")
    listed = c.sys.list_mounted_secrets_engines()
    holds(listed["data"]["moving/"], {"type": "kv", "description": "for people"})
    same(listed["moving/"], listed["data"]["moving/"])
    c.sys.tune_mount_configuration("moving", default_lease_ttl="1h", max_lease_ttl="24h")
    holds(c.sys.read_mount_configuration("moving")["data"], {"default_lease_ttl": 3600, "max_lease_ttl": 86400})
    c.write("moving/a", x="y")
    c.sys.move_backend("moving", "moved")
    same(c.read("moved/a")["data"], {"x": "y"})
    c.sys.disable_secrets_engine("moved")
    assert "moved/" not in c.sys.list_mounted_secrets_engines()["data"]
    refused(exceptions.InvalidRequest, c.sys.enable_secrets_engine, "no-such-engine")
    c.sys.enable_auth_method("approle", path="programs")
    c.sys.tune_auth_method("programs", default_lease_ttl="30m")
    holds(c.sys.read_auth_method_tuning("programs")["data"], {"default_lease_ttl": 1800})
    assert "programs/" in c.sys.list_auth_methods()["data"]
    c.sys.disable_auth_method("programs")
    assert "programs/" not in c.sys.list_auth_methods()["data"]


@scenario
def kv_version_1(c):
    c.sys.enable_secrets_engine("kv", path="plain", options={"version": "1"})
    kv = c.secrets.kv.v1
    value = {"password": 'ü"\\\n', "port": 5432, "nested": {"a": [1, None, True]}}
    kv.create_or_update_secret("app/db", value, mount_point="plain")
    holds(kv.read_secret("app/db", mount_point="plain"), {"data": value, "lease_id": "", "renewable": False})
    kv.create_or_update_secret("app/mail", {"a": "b"}, mount_point="plain")
    same(kv.list_secrets("app", mount_point="plain")["data"]["keys"], ["db", "mail"])
    same(lists(c, "plain/app"), ["db", "mail"])
    same(lists(c, "plain"), ["app/"])
    kv.delete_secret("app/db", mount_point="plain")
    refused(exceptions.InvalidPath, kv.read_secret, "app/db", mount_point="plain")
    refused(exceptions.InvalidPath, kv.list_secrets, "none", mount_point="plain")
    same(c.list("plain/none"), None)
    same(c.read("plain/app/db"), None)
    c.sys.disable_secrets_engine("plain")


@scenario
def kv_version_2(c):
    kv = c.secrets.kv.v2
    same(kv.create_or_update_secret("py/db", {"v": 1}, cas=0)["data"]["version"], 1)
    refused(exceptions.InvalidRequest, kv.create_or_update_secret, "py/db", {"v": 2}, cas=0)
    kv.create_or_update_secret("py/db", {"v": 2, "w": "x"}, cas=1)
    kv.patch("py/db", {"w": None, "z": 3})
    newest = kv.read_secret_version("py/db")["data"]
    same(newest["data"].get("w"), None)
    holds(newest["data"], {"v": 2, "z": 3})
    holds(newest["metadata"], {"version": 3, "destroyed": False, "deletion_time": ""})
    same(kv.read_secret_version("py/db", version=1)["data"]["data"], {"v": 1})
    same(kv.list_secrets("py")["data"]["keys"], ["db"])
    same(lists(c, "secret/metadata/py"), ["db"])
    same(lists(c, "secret/metadata/py/"), ["db"])
    assert "py/" in lists(c, "secret/metadata")

    kv.update_metadata("py/db", max_versions=7, cas_required=False)
    kv.delete_latest_version_of_secret("py/db")
    refused(exceptions.InvalidPath, kv.read_secret_version, "py/db")
    kv.undelete_secret_versions("py/db", [3])
    same(kv.read_secret_version("py/db")["data"]["metadata"]["version"], 3)
    kv.delete_secret_versions("py/db", [2])
    refused(exceptions.InvalidPath, kv.read_secret_version, "py/db", version=2)
    kv.destroy_secret_versions("py/db", [1])
    known = kv.read_secret_metadata("py/db")["data"]
    holds(known, {"current_version": 3, "max_versions": 7})
    same([known["versions"][n]["destroyed"] for n in "123"], [True, False, False])
    kv.delete_metadata_and_all_versions("py/db")
    refused(exceptions.InvalidPath, kv.read_secret_metadata, "py/db")

    kv.configure(max_versions=2, cas_required=True)
    holds(kv.read_configuration()["data"], {"max_versions": 2, "cas_required": True})
    refused(exceptions.InvalidRequest, kv.create_or_update_secret, "py/strict", {"a": 1})
    kv.configure(max_versions=0, cas_required=False)


@scenario
def transit(c):
    c.sys.enable_secrets_engine("transit", path="py-transit")
    t, at = c.secrets.transit, {"mount_point": "py-transit"}
    t.create_key("box", key_type="aes256-gcm96", exportable=True, allow_plaintext_backup=True, **at)
    same(t.list_keys(**at)["data"]["keys"], ["box"])
    same(lists(c, "py-transit/keys"), ["box"])
    first = t.encrypt_data("box", plaintext=text64("eins"), **at)["data"]["ciphertext"]
    t.rotate_key("box", **at)
    second = t.rewrap_data("box", ciphertext=first, **at)["data"]["ciphertext"]
    same([first[:9], second[:9]], ["vault:v1:", "vault:v2:"])
    same(t.decrypt_data("box", ciphertext=second, **at)["data"]["plaintext"], text64("eins"))
    batch = [{"plaintext": text64(each)} for each in ("a", "b")]
    answers = t.encrypt_data("box", plaintext=None, batch_input=batch, **at)["data"]["batch_results"]
    back = t.decrypt_data("box", ciphertext=None, batch_input=answers, **at)["data"]["batch_results"]
    same([each["plaintext"] for each in back], [text64("a"), text64("b")])
    refused(exceptions.InvalidRequest, t.decrypt_data, "box", ciphertext=first[:-4] + "AAA=", **at)
    exported = t.export_key("box", key_type="encryption-key", **at)["data"]["keys"]
    same(len(base64.b64decode(exported["1"])), 32)
    data_key = t.generate_data_key("box", key_type="plaintext", **at)["data"]
    same(t.decrypt_data("box", ciphertext=data_key["ciphertext"], **at)["data"]["plaintext"], data_key["plaintext"])
    kept = t.backup_key("box", **at)["data"]["backup"]
    t.restore_key(backup=kept, name="restored", **at)
    same(t.decrypt_data("restored", ciphertext=first, **at)["data"]["plaintext"], text64("eins"))
    t.update_key_configuration("box", min_decryption_version=2, deletion_allowed=True, **at)
    refused(exceptions.InvalidRequest, t.decrypt_data, "box", ciphertext=first, **at)
    t.delete_key("box", **at)
    refused(exceptions.InvalidPath, t.read_key, "box", **at)

    for kind in ("ed25519", "ecdsa-p256", "rsa-2048"):
        t.create_key("sign-" + kind, key_type=kind, **at)
        signed = t.sign_data("sign-" + kind, hash_input=text64("text"), **at)["data"]["signature"]
        for text, valid in (("text", True), ("other", False)):
            answer = t.verify_signed_data("sign-" + kind, hash_input=text64(text), signature=signed, **at)
            same(answer["data"]["valid"], valid)
    t.create_key("mac", key_type="aes256-gcm96", exportable=True, **at)
    mac = t.generate_hmac("mac", hash_input=text64("text"), algorithm="sha2-512", **at)["data"]["hmac"]
    key = base64.b64decode(t.export_key("mac", key_type="hmac-key", **at)["data"]["keys"]["1"])
    same(base64.b64decode(mac.split(":")[2]), hmac.new(key, b"text", hashlib.sha512).digest())
    same(len(base64.b64decode(t.generate_random_bytes(n_bytes=40, **at)["data"]["random_bytes"])), 40)
    summed = t.hash_data(hash_input=text64("text"), algorithm="sha2-256", output_format="hex", **at)["data"]["sum"]
    same(summed, hashlib.sha256(b"text").hexdigest())
    c.sys.disable_secrets_engine("py-transit")


@scenario
def approle(c):
    c.sys.enable_auth_method("approle", path="py-approle")
    a, at = c.auth.approle, {"mount_point": "py-approle"}
    a.create_or_update_approle("build", token_policies=["default"], token_ttl="10m", secret_id_num_uses=1, **at)
    same(a.list_roles(**at)["data"]["keys"], ["build"])
    same(lists(c, "auth/py-approle/role"), ["build"])
    holds(a.read_role("build", **at)["data"], {"token_ttl": 600, "secret_id_num_uses": 1, "bind_secret_id": True})
    a.update_role_id("build", "the-build", **at)
    same(a.read_role_id("build", **at)["data"]["role_id"], "the-build")
    made = a.generate_secret_id("build", metadata={"host": "one"}, **at)["data"]
    same(lists(c, "auth/py-approle/role/build/secret-id"), [made["secret_id_accessor"]])
    same(a.list_secret_id_accessors("build", **at)["data"]["keys"], [made["secret_id_accessor"]])
    holds(a.read_secret_id("build", made["secret_id"], **at)["data"], {"metadata": {"host": "one"}})
    a.read_secret_id_accessor("build", made["secret_id_accessor"], **at)

    program = client("")
    answer = program.auth.approle.login("the-build", made["secret_id"], **at)
    holds(answer["auth"], {"lease_duration": 600, "renewable": True, "token_type": "service"})
    holds(answer["auth"]["metadata"], {"host": "one", "role_name": "build"})
    same(program.token, answer["auth"]["client_token"])
    assert program.is_authenticated()
    wrong = [("the-build", made["secret_id"]), ("the-build", "x"), ("nobody", made["secret_id"])]
    texts = {refused(exceptions.InvalidRequest, client("").auth.approle.login, *each, **at) for each in wrong}
    same(len(texts), 1)
    other = a.generate_secret_id("build", **at)["data"]
    a.destroy_secret_id("build", other["secret_id"], **at)
    third = a.generate_secret_id("build", **at)["data"]
    a.destroy_secret_id_accessor("build", third["secret_id_accessor"], **at)
    for each in (other, third):
        refused(exceptions.InvalidRequest, client("").auth.approle.login, "the-build", each["secret_id"], **at)
    if hasattr(a, "create_custom_secret_id"):
        a.create_custom_secret_id("build", "chosen", **at)
        client("").auth.approle.login("the-build", "chosen", **at)
    a.delete_role("build", **at)
    refused(exceptions.InvalidPath, a.read_role, "build", **at)
    # The method goes, and with it every token that it gave.
    c.sys.disable_auth_method("py-approle")
    assert not program.is_authenticated()


@scenario
def tokens(c):
    t = c.auth.token
    c.sys.create_or_update_policy("py-parent", 'path "auth/token/create" { capabilities = ["update"] }')
    made = t.create(policies=["default", "py-parent"], ttl="1h", meta={"a": "b"}, display_name="py")["auth"]
    holds(t.lookup(made["client_token"])["data"], {"display_name": "token-py", "meta": {"a": "b"}, "orphan": False})
    same(t.lookup_accessor(made["accessor"])["data"]["id"], "")
    assert made["accessor"] in t.list_accessors()["data"]["keys"]
    assert made["accessor"] in lists(c, "auth/token/accessors")
    assert not client(made["accessor"]).is_authenticated()
    own = client(made["client_token"])
    same(own.auth.token.lookup_self()["data"]["id"], made["client_token"])
    same(own.auth.token.renew_self(increment="2h")["auth"]["lease_duration"], 7200)
    same(t.renew(made["client_token"], increment="30m")["auth"]["lease_duration"], 1800)
    t.renew_accessor(made["accessor"])
    child = own.auth.token.create(ttl="5m")["auth"]["client_token"]
    refused(exceptions.InvalidRequest, own.auth.token.create, policies=["root"])
    t.revoke(made["client_token"])
    assert not own.is_authenticated()
    assert not client(child).is_authenticated()

    parent = t.create(policies=["py-parent"], ttl="1h")["auth"]["client_token"]
    child = client(parent).auth.token.create(ttl="5m")["auth"]["client_token"]
    t.revoke_and_orphan_children(parent)
    assert client(child).is_authenticated()
    assert t.lookup(child)["data"]["orphan"]
    client(child).auth.token.revoke_self()
    refused(exceptions.Forbidden, t.lookup, child)
    orphan = (t.create_orphan(ttl="1h") if hasattr(t, "create_orphan") else t.create(ttl="1h", no_parent=True))["auth"]
    t.revoke_accessor(orphan["accessor"])
    refused(exceptions.InvalidRequest, t.lookup_accessor, orphan["accessor"])

    limited = t.create(policies=["default"], num_uses=2)["auth"]["client_token"]
    for expected in (True, True, False):
        same(client(limited).is_authenticated(), expected)
    brief = t.create(policies=["default"], ttl="1s")["auth"]["client_token"]
    time.sleep(1.6)
    assert not client(brief).is_authenticated()
    batch = t.create(type="batch", policies=["default"], ttl="1m") if "type" in t.create.__code__.co_varnames else None
    if batch is not None:
        same(batch["auth"]["token_type"], "batch")

    t.create_or_update_role("ci", allowed_policies=["default"], orphan=True)
    same(lists(c, "auth/token/roles"), ["ci"])
    holds(t.read_role("ci")["data"], {"allowed_policies": ["default"], "orphan": True})
    same(t.create(role_name="ci")["auth"]["orphan"], True)
    refused(exceptions.InvalidRequest, t.create, role_name="ci", policies=["elsewhere"])
    t.delete_role("ci")


@scenario
def policies(c):
    rules = 'path "secret/data/py-team/+/own" { capabilities = ["create", "update", "read"] }'
    denied = {"path": {"secret/data/py-team/ada/own": {"capabilities": ["deny"]}}}
    c.sys.create_or_update_policy("py-team", rules)
    c.sys.create_or_update_policy("py-denied", denied)
    same(c.sys.read_policy("py-team")["data"]["rules"], rules)
    same(json.loads(c.sys.read_policy("py-denied")["data"]["rules"]), denied)
    assert {"py-team", "py-denied", "default", "root"} <= set(c.sys.list_policies()["data"]["policies"])
    assert "py-team" in lists(c, "sys/policies/acl")
    member = client(c.auth.token.create(policies=["py-team", "py-denied"])["auth"]["client_token"])
    write = member.secrets.kv.v2.create_or_update_secret
    write("py-team/bob/own", {"a": 1})
    for path in ("py-team/ada/own", "py-team/bob/other", "py-team/own", "py-other"):
        refused(exceptions.Forbidden, write, path, {"a": 1})
    can = c.sys.get_capabilities(["secret/data/py-team/bob/own", "secret/data/py-team/ada/own"], token=member.token)
    same(sorted(can["secret/data/py-team/bob/own"]), ["create", "read", "update"])
    same(can["secret/data/py-team/ada/own"], ["deny"])
    same(member.sys.get_capabilities(["sys/seal"])["sys/seal"], ["deny"])
    c.sys.delete_policy("py-denied")
    write("py-team/ada/own", {"a": 1})
    refused(exceptions.InvalidRequest, c.sys.create_or_update_policy, "py-bad", 'path "x" { capabilities = ["fly"] }')
    c.sys.delete_policy("py-team")
    refused(exceptions.Forbidden, write, "py-team/bob/own", {"a": 1})


@scenario
def leases(c):
    c.sys.enable_auth_method("approle", path="py-leases")
    at = {"mount_point": "py-leases"}
    c.auth.approle.create_or_update_approle("r", token_policies=["default"], token_ttl="10m", **at)
    role_id = c.auth.approle.read_role_id("r", **at)["data"]["role_id"]

    def login():
        program = client("")
        secret_id = c.auth.approle.generate_secret_id("r", **at)["data"]["secret_id"]
        return program, program.auth.approle.login(role_id, secret_id, **at)["auth"]["accessor"]

    (one, accessor), (two, _), (three, _) = login(), login(), login()
    listed = c.sys.list_leases("auth/py-leases/login")["data"]["keys"]
    assert accessor in listed and len(listed) == 3
    same(sorted(lists(c, "sys/leases/lookup/auth/py-leases/login")), sorted(listed))
    lease = "auth/py-leases/login/" + accessor
    found = c.sys.read_lease(lease)["data"]
    holds(found, {"id": lease, "renewable": True})
    assert 590 <= found["ttl"] <= 600
    # A token is renewed by who holds it, not by who knows its lease.
    refused(exceptions.VaultError, c.sys.renew_lease, lease, increment=60)
    c.sys.revoke_lease(lease)
    same([each.is_authenticated() for each in (one, two, three)], [False, True, True])
    refused(exceptions.InvalidRequest, c.sys.read_lease, lease)
    c.sys.revoke_prefix("auth/py-leases/")
    same([each.is_authenticated() for each in (two, three)], [False, False])
    refused(exceptions.InvalidPath, c.sys.list_leases, "auth/py-leases/login")
    again, _ = login()
    c.sys.revoke_force("auth/py-leases/")
    assert not again.is_authenticated()
    c.sys.disable_auth_method("py-leases")


@scenario
def wrapping(c):
    c.secrets.kv.v2.create_or_update_secret("py/wrapped", {"a": "b"})
    wrapped = c.write("sys/wrapping/wrap", wrap_ttl="1m", a="b")["wrap_info"]
    holds(wrapped, {"ttl": 60, "creation_path": "sys/wrapping/wrap"})
    same(c.write("sys/wrapping/lookup", token=wrapped["token"])["data"]["creation_ttl"], 60)
    same(client(wrapped["token"]).sys.unwrap()["data"], {"a": "b"})
    refused(exceptions.VaultError, client(wrapped["token"]).sys.unwrap)
    wrapped = c.read("secret/data/py/wrapped", wrap_ttl="2m")["wrap_info"]
    moved = c.write("sys/wrapping/rewrap", token=wrapped["token"])["wrap_info"]
    refused(exceptions.VaultError, c.sys.unwrap, wrapped["token"])
    same(c.sys.unwrap(moved["token"])["data"]["data"], {"a": "b"})
    # A wrapping token opens nothing but what it wraps.
    wrapped = c.read("secret/data/py/wrapped", wrap_ttl="2m")["wrap_info"]
    refused(exceptions.Forbidden, client(wrapped["token"]).read, "secret/data/py/wrapped")
    made = c.auth.token.create(policies=["default"], wrap_ttl="1m")
    same(made["auth"], None)
    inner = c.sys.unwrap(made["wrap_info"]["token"])["auth"]
    same(inner["accessor"], made["wrap_info"]["wrapped_accessor"])
    assert client(inner["client_token"]).is_authenticated()


@scenario
def userpass(c):
    c.sys.enable_auth_method("userpass", path="py-people")
    c.write("auth/py-people/users/ada", password="correct horse", token_policies="default")
    same(lists(c, "auth/py-people/users"), ["ada"])
    person = client("")
    refused(exceptions.InvalidRequest, login_person, person, "wrong")
    holds(login_person(person, "correct horse")["auth"], {"policies": ["default"], "metadata": {"username": "ada"}})
    assert person.is_authenticated()
    assert "password" not in c.read("auth/py-people/users/ada")["data"]
    c.sys.disable_auth_method("py-people")
    assert not person.is_authenticated()


def login_person(person, password):
    if hasattr(person.auth, "userpass"):
        return person.auth.userpass.login("ada", password, mount_point="py-people")
    return person.auth_userpass("ada", password, mount_point="py-people")


@scenario
def jwt(c):
    """ISSUER_KEY is a public key, ISSUER_TOKEN a token of https://issuer for `py` that it verifies."""
    c.sys.enable_auth_method("jwt", path="py-jwt")
    issuer = {"jwt_validation_pubkeys": os.environ["ISSUER_KEY"], "bound_issuer": "https://issuer"}
    c.write("auth/py-jwt/config", **issuer)
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "py", "token_policies": "default"}
    c.write("auth/py-jwt/role/ci", **role)
    c.write("auth/py-jwt/role/other", **dict(role, bound_audiences="somebody else"))
    same(lists(c, "auth/py-jwt/role"), ["ci", "other"])
    program, token = client(""), os.environ["ISSUER_TOKEN"]
    ask = {"role": "ci", "jwt": token}
    refused(exceptions.InvalidRequest, program.login, "/v1/auth/py-jwt/login", json=dict(ask, role="other"))
    refused(exceptions.InvalidRequest, program.login, "/v1/auth/py-jwt/login", json=dict(ask, jwt=token[:-4] + "AAAA"))
    if hasattr(program.auth, "jwt"):
        answer = program.auth.jwt.jwt_login("ci", token, path="py-jwt")
        program.token = answer["auth"]["client_token"]
    else:
        answer = program.login("/v1/auth/py-jwt/login", json=ask)
    same(answer["auth"]["policies"], ["default"])
    assert program.is_authenticated()
    c.sys.disable_auth_method("py-jwt")


@scenario
def sealing(c):
    """Begins with a server that nobody has initialised."""
    assert not c.sys.is_initialized()
    made = c.sys.initialize(secret_shares=3, secret_threshold=2)
    keys, c.token = made["keys"], made["root_token"]
    assert c.sys.is_initialized() and c.sys.is_sealed()
    refused(exceptions.VaultDown, c.sys.list_policies)
    same(c.sys.submit_unseal_key(keys[0])["progress"], 1)
    same(c.sys.submit_unseal_key(reset=True)["progress"], 0)
    assert c.sys.submit_unseal_keys(keys[1:])["sealed"] is False
    assert c.is_authenticated()

    nonce = c.sys.start_rekey(secret_shares=4, secret_threshold=3, require_verification=True)["nonce"]
    done = c.sys.rekey_multi(keys[:2], nonce=nonce)
    holds(done, {"complete": True, "verification_required": True})
    same(c.sys.read_seal_status()["t"], 2)
    c.sys.rekey_verify_multi(done["keys"][:3], nonce=done["verification_nonce"])
    holds(c.sys.read_seal_status(), {"t": 3, "n": 4})
    old, keys = keys, done["keys"]

    otp = "o" * c.sys.read_root_generation_progress()["otp_length"]
    nonce = c.sys.start_root_token_generation(otp=otp)["nonce"]
    for key in keys[1:]:
        answer = c.sys.generate_root(key=key, nonce=nonce)
    encoded = answer["encoded_root_token"]
    raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    made = bytes(x ^ y for x, y in zip(raw, otp.encode())).decode()
    same(client(made).auth.token.lookup_self()["data"]["policies"], ["root"])

    c.sys.seal()
    assert c.sys.is_sealed()
    refused(exceptions.VaultDown, c.sys.list_policies)
    refused(exceptions.VaultError, c.sys.submit_unseal_keys, old)
    c.sys.submit_unseal_key(reset=True)
    assert c.sys.submit_unseal_keys(keys[:3])["sealed"] is False
    assert c.is_authenticated()


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(SCENARIOS))
    else:
        SCENARIOS[sys.argv[1]](client())
