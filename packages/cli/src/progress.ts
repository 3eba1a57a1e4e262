/** What goes on longer than a second, on standard error: a moving line on a terminal, one plain line elsewhere. */
export interface Progress {
  /** Inside another one it shows nothing: the outer says what the user asked for. */
  start(message: string): () => void;
  /** Writes lines that stay, above the moving one. */
  above(text: string): void;
  stop(): void;
}

const patienceMs = 1000;
const frameMs = 100;
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const eraseLine = '\r\u001b[2K';

export function createProgress(err: NodeJS.WritableStream & { readonly isTTY?: boolean }): Progress {
  const draw = err.isTTY === true;
  let shown:
    | { readonly message: string; readonly began: number; frame: number; visible: boolean }
    | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const erase = (): void => {
    if (shown?.visible) err.write(eraseLine);
    if (shown !== undefined) shown.visible = false;
  };
  const tick = (): void => {
    if (shown === undefined) return;
    const seconds = Math.floor((Date.now() - shown.began) / 1000);
    const frame = frames[shown.frame % frames.length] ?? '';
    err.write(`${eraseLine}${frame} ${shown.message} ${seconds}s`);
    shown.frame += 1;
    shown.visible = true;
    timer = setTimeout(tick, frameMs);
  };
  const stop = (): void => {
    clearTimeout(timer);
    erase();
    shown = undefined;
  };

  return {
    start(message) {
      if (shown !== undefined) return () => undefined;
      const mine = { message, began: Date.now(), frame: 0, visible: false };
      shown = mine;
      timer = setTimeout(draw ? tick : () => err.write(`sally: ${message} ...\n`), patienceMs);
      return () => {
        if (shown === mine) stop();
      };
    },
    above(text) {
      erase();
      err.write(text);
    },
    stop,
  };
}
