/**
 * Keys that stand on the pages of a database file and of its WAL, of whatever table: where a tree is torn, they say where to look in it
 * again. Read past SQLite, they are hints and no more: a page may be free by now, or older than what the WAL has of it.
 */
import type { Value } from "../shared/values.ts";

const fs = process.getBuiltinModule("node:fs");

/** The kinds of pages in the file format, by their first byte. */
const INDEX_NODE = 2;
const INDEX_LEAF = 10;
const TABLE_LEAF = 13;
/** The file begins with its own header, and a frame of the WAL with one. */
const FILE_HEADER = 100;
const WAL_HEADER = 32;
const FRAME_HEADER = 24;
/** Columns of the longest key. */
const COLUMNS = 2;

export interface PageKeys {
  /** One of each leaf of a table with row ids. */
  readonly rowIds: ReadonlySet<number>;
  /** The first columns of one entry of each leaf of an index, or of a table without row ids, and of all entries between these leaves. */
  readonly entries: readonly (readonly Value[])[];
}

/** Closing the file drops the locks that this process has on it: to be called before it has a connection. */
export function pageKeysOf(file: string): PageKeys {
  const rowIds = new Set<number>();
  const entries: (readonly Value[])[] = [];
  for (const page of pagesOf(file)) {
    const start = page.toString("latin1", 0, 15) === "SQLite format 3" ? FILE_HEADER : 0;
    const kind = page[start];
    if (kind !== TABLE_LEAF && kind !== INDEX_LEAF && kind !== INDEX_NODE) continue;
    const isNode = kind === INDEX_NODE;
    const all = page.readUInt16BE(start + 3);
    for (let cell = 0; cell < (isNode ? all : Math.min(all, 1)); cell++) {
      const pointer = start + (isNode ? 12 : 8) + 2 * cell;
      if (pointer + 2 > page.length) break;
      const size = varint(page, page.readUInt16BE(pointer) + (isNode ? 4 : 0));
      if (kind === TABLE_LEAF) {
        const { value } = varint(page, size.end);
        if (Number.isSafeInteger(value)) rowIds.add(value);
      } else entries.push(columnsAt(page, size.end));
    }
  }
  return { rowIds, entries };
}

/** The same buffer each time; as far as the file system lets itself be read. */
function* pagesOf(file: string): Generator<Buffer> {
  try {
    yield* readPages(file);
  } catch {
    // No file, no right to it, or a disk that fails: whether that matters says SQLite.
  }
}

function* readPages(file: string): Generator<Buffer> {
  const header = Buffer.alloc(FILE_HEADER);
  const handle = fs.openSync(file, "r");
  try {
    fs.readSync(handle, header, 0, FILE_HEADER, 0);
    const size = header.readUInt16BE(16);
    const page = Buffer.alloc(size === 1 ? 65_536 : Math.max(size, 512));
    for (let at = 0; fs.readSync(handle, page, 0, page.length, at) === page.length; at += page.length) yield page;
    if (!fs.existsSync(`${file}-wal`)) return;
    const wal = fs.openSync(`${file}-wal`, "r");
    try {
      const step = FRAME_HEADER + page.length;
      for (let at = WAL_HEADER + FRAME_HEADER; fs.readSync(wal, page, 0, page.length, at) === page.length; at += step) yield page;
    } finally {
      fs.closeSync(wal);
    }
  } finally {
    fs.closeSync(handle);
  }
}

/** Up to nine bytes, seven bits in each but the last. A number that is too large for us comes out as one that is not safe. */
function varint(page: Buffer, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = page[at + i] ?? 0;
    value = value * 128 + (byte & 127);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  return { value: value * 256 + (page[at + 8] ?? 0), end: at + 9 };
}

/** The first columns of a record, as far as they are integers or text and stand on this page. */
function columnsAt(page: Buffer, start: number): readonly Value[] {
  const header = varint(page, start);
  const columns: Value[] = [];
  let body = start + header.value;
  for (let at = header.end; columns.length < COLUMNS && at < start + header.value;) {
    const kind = varint(page, at);
    at = kind.end;
    const size = sizeOf(kind.value);
    if (size === undefined || body + size > page.length) break;
    columns.push(valueAt(page, body, kind.value, size));
    body += size;
  }
  return columns;
}

/** Of a value by the kind that its record gives it; undefined for reals, bytes and what is no kind. */
function sizeOf(kind: number): number | undefined {
  if (kind >= 13 && kind % 2 === 1) return (kind - 13) / 2;
  return [0, 1, 2, 3, 4, 6, undefined, undefined, 0, 0][kind];
}

function valueAt(page: Buffer, at: number, kind: number, size: number): Value {
  if (kind >= 13) return page.toString("utf8", at, at + size);
  if (size > 0) return page.readIntBE(at, size);
  return kind === 0 ? null : kind - 8;
}
