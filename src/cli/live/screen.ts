/** A screen of its own on the terminal: drawn over again and again, and given back on every way out. */
import type { Terminal } from "../terminal.ts";

const CSI = "\u001b[";
/** The alternate screen, no cursor, no wrapping of lines; and back. */
const ENTER = `${CSI}?1049h${CSI}?25l${CSI}?7l`;
const LEAVE = `${CSI}?7h${CSI}?25h${CSI}?1049l`;
/** Terminals that know it show a frame at once, others do not mind. */
const [BEGIN, END] = [`${CSI}?2026h`, `${CSI}?2026l`];

/** Size of a terminal that does not tell. */
const USUAL = { columns: 80, rows: 24 };

export class Screen {
  readonly #terminal: Terminal;
  readonly #onKey: (key: string) => void;
  readonly #onResize: () => void;
  #entered = false;

  /** @param onKey is told what is typed, if somebody can type. @param onResize must draw again. */
  constructor(terminal: Terminal, on: { readonly key: (key: string) => void; readonly resize: () => void }) {
    this.#terminal = terminal;
    this.#onKey = on.key;
    this.#onResize = on.resize;
  }

  get columns(): number {
    return this.#terminal.stdout.columns || USUAL.columns;
  }
  get rows(): number {
    return this.#terminal.stdout.rows || USUAL.rows;
  }

  open(): void {
    const { stdout } = this.#terminal;
    stdout.on("resize", this.#onResize);
    // Also when something throws, and when the reader has gone.
    process.on("exit", this.#leave);
    process.on("SIGCONT", this.#enter);
    this.#enter();
  }

  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.rows).map((line) => `${CSI}2K${line}`);
    // Not behind a line: what stands in the last column would be taken away, too.
    const rest = shown.length < this.rows ? `\r\n${CSI}J` : "";
    this.#terminal.stdout.write(`${BEGIN}${CSI}H${shown.join("\r\n")}${rest}${END}`);
  }

  close(): void {
    this.#terminal.stdout.off("resize", this.#onResize);
    process.off("exit", this.#leave);
    process.off("SIGCONT", this.#enter);
    this.#leave();
  }

  readonly #enter = (): void => {
    if (this.#entered) return;
    this.#entered = true;
    const { stdin, stdout } = this.#terminal;
    stdout.write(ENTER);
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      stdin.setEncoding("utf8");
      stdin.on("data", this.#type);
      stdin.resume();
    }
    this.#onResize();
  };

  readonly #leave = (): void => {
    if (!this.#entered) return;
    this.#entered = false;
    const { stdin, stdout } = this.#terminal;
    if (stdin.isTTY) {
      stdin.off("data", this.#type);
      stdin.setRawMode(false);
      stdin.pause();
    }
    stdout.write(LEAVE);
  };

  readonly #type = (typed: string): void => {
    // Arrows and the like come as sequences.
    if (typed.startsWith("\u001b")) return;
    for (const key of typed) {
      // Ctrl-Z: the shell gets its own screen back until it lets this process go on.
      if (key === "\u001a" && process.platform !== "win32") {
        this.#leave();
        process.kill(process.pid, "SIGTSTP");
      } else this.#onKey(key);
    }
  };
}
