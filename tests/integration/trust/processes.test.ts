/**
 * Several real processes at one database, driven by one generated script: in each round every process runs a command of its own at the
 * same time, some are killed or fall silent, and after each round the invariants are read. `OMNIQ_TEST_RUNS=50` plays so many scripts.
 */
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { PostgresBackend } from "../../../src/postgres.ts";
import { POSTGRES_URL, Schemas } from "../../fixtures/postgres.ts";
import type { Start } from "../../fixtures/script-process.ts";
import { Driven } from "../../fixtures/trust/driven.ts";
import { Files } from "../../fixtures/trust/files.ts";
import { LONG, parameters } from "../../fixtures/trust/runs.ts";
import { rounds } from "../../fixtures/trust/script.ts";
import type { Round } from "../../fixtures/trust/script.ts";
import { Site } from "../../fixtures/trust/site.ts";
import type { Reach } from "../../fixtures/trust/site.ts";

const PROCESSES = 3;
/** The worker of this process, which takes over from the others. */
const HERE = "here";

interface Place {
  readonly named: Start["place"];
  readonly reach: Reach;
}

class Drive {
  readonly #site: Site;
  readonly #named: Start["place"];
  readonly #ids: string[] = [];
  #all: Driven[] = [];
  #born = 0;

  constructor(site: Site, named: Start["place"]) {
    this.#site = site;
    this.#named = named;
  }

  async join(): Promise<void> {
    const n = ++this.#born;
    const start: Start = { place: this.#named, workers: [`w${n}.1`, `w${n}.2`], prefix: `p${n}.`, now: this.#site.clock.now() };
    this.#all.push(await Driven.start(start, this.#site.oracle.witness));
  }

  /** All at once; the next round begins when each has answered. */
  async play(round: Round): Promise<void> {
    const site = this.#site;
    if (round.is === "kill") {
      await this.#all.splice(round.which % this.#all.length, 1)[0]?.kill();
      await this.join();
    } else if (round.is === "commands") {
      await site.clock.advance(10);
      const orders = this.#all.map((each, i) => each.order({ draws: round.draws[i] ?? [], ids: this.#ids, now: site.clock.now() }));
      this.#ids.push(...(await Promise.all(orders)).flat());
    } else {
      const silent = this.#all[round.which % this.#all.length];
      await site.freezeAllBut([HERE, ...this.#all.flatMap((each) => (each === silent ? [] : each.workers))]);
    }
  }

  async end(): Promise<void> {
    for (const each of this.#all) await each.kill();
    this.#all = [];
  }
}

async function drive(script: readonly Round[], { named, reach }: Place): Promise<void> {
  const site = await Site.make(reach, [HERE]);
  const processes = new Drive(site, named);
  try {
    for (let i = 0; i < PROCESSES; i++) await processes.join();
    for (const [i, round] of script.entries()) {
      await processes.play(round);
      expect({ round: i, is: round.is, wrong: await site.oracle.wrong(site.backend, false) }).toEqual({
        round: i,
        is: round.is,
        wrong: [],
      });
    }
    await processes.end();
    expect(await site.drain(), "what never ends").toEqual([]);
    expect(await site.oracle.wrong(site.backend, false), "at the end").toEqual([]);
  } finally {
    await processes.end();
    await site.close();
  }
}

async function all(place: () => Place | Promise<Place>): Promise<void> {
  const property = fc.asyncProperty(rounds(PROCESSES), async (script) => {
    await drive(script, await place());
  });
  // Real processes do not meet twice in the same way: a script that failed is told, not shortened.
  await fc.assert(property, { ...parameters(1), endOnFailure: true });
}

describe("processes that one script drives keep every invariant", () => {
  const files = new Files();
  afterAll(() => {
    files.remove();
  });
  const file = (): Place => {
    const { path, reach } = files.next();
    return { named: { path }, reach };
  };
  test("on an SQLite file", { tags: ["slow"], timeout: LONG }, () => all(file));

  const schemas = new Schemas("driven");
  afterAll(() => schemas.drop());
  const schema = async (): Promise<Place> => {
    const first = await schemas.open();
    await first.close();
    const reach: Reach = async (clock) => {
      const backend = new PostgresBackend({ url: POSTGRES_URL, schema: first.schema, connections: 2, clock });
      await backend.open();
      return backend;
    };
    return { named: { url: POSTGRES_URL, schema: first.schema }, reach };
  };
  test.skipIf(POSTGRES_URL === "")("on PostgreSQL", { tags: ["slow"], timeout: LONG }, () => all(schema));
});
