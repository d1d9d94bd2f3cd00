/** The configuration as people make and change it: the seed's classes over the table of options. */
import { nest, placeStores, presets, readConfig, readSection } from "../config/check.ts";
import { OPTIONS } from "../config/options.ts";
import type { ConfigData, ConfigInput } from "../config/options.ts";

type Part = "taskQueue" | "resultStore" | "eventStore" | "worker";

/** One section that is checked by itself, with its defaults. */
function part<P extends Part>(name: P, data: unknown): ConfigData[P] {
  const leaves = new Map([...presets(OPTIONS[name], name), ...readSection(OPTIONS[name], data ?? {}, name, { rank: 1 })]);
  placeStores(leaves);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type of one section out of the table's
  return nest(OPTIONS[name], leaves, name) as ConfigData[P];
}

/** `{ type, config }` of one part of the configuration: a plain mutable object. Durations in `config` are milliseconds. */
class PartConfig<P extends Part> {
  type: ConfigData[P]["type"];
  config: ConfigData[P]["config"];

  constructor(name: P, data: unknown) {
    const { type, config } = part(name, data);
    this.type = type;
    this.config = config;
  }

  /** Plain JSON; what is absent is left out. */
  toJSON(): { type: ConfigData[P]["type"]; config: ConfigData[P]["config"] } {
    return { type: this.type, config: structuredClone(this.config) };
  }
}

/** Where tasks and schedules lie, and the queues that a worker serves. */
export class TaskQueueConfig extends PartConfig<"taskQueue"> {
  /** @throws ConfigError `CONFIG_INVALID` naming the path of the first wrong value or unknown key. */
  constructor(init: ConfigInput["taskQueue"] = {}) {
    super("taskQueue", init);
  }

  /** Reads plain data: camelCase or snake_case keys, `null` for absent. @throws ConfigError as the constructor. */
  static fromJSON(data: unknown): TaskQueueConfig {
    return new TaskQueueConfig(part("taskQueue", data));
  }
}

/** Where results lie; without a place of its own, where the tasks do. */
export class ResultStorageConfig extends PartConfig<"resultStore"> {
  /** @throws ConfigError `CONFIG_INVALID` naming the path of the first wrong value or unknown key. */
  constructor(init: ConfigInput["resultStore"] = {}) {
    super("resultStore", init);
  }

  /** Reads plain data: camelCase or snake_case keys, `null` for absent. @throws ConfigError as the constructor. */
  static fromJSON(data: unknown): ResultStorageConfig {
    return new ResultStorageConfig(part("resultStore", data));
  }
}

/** Where events lie; without a place of its own, where the tasks do. */
export class EventStorageConfig extends PartConfig<"eventStore"> {
  /** @throws ConfigError `CONFIG_INVALID` naming the path of the first wrong value or unknown key. */
  constructor(init: ConfigInput["eventStore"] = {}) {
    super("eventStore", init);
  }

  /** Reads plain data: camelCase or snake_case keys, `null` for absent. @throws ConfigError as the constructor. */
  static fromJSON(data: unknown): EventStorageConfig {
    return new EventStorageConfig(part("eventStore", data));
  }
}

/** What runs the handlers (`type`), and how many at a time (`config.maxWorkers`). */
export class WorkerConfig extends PartConfig<"worker"> {
  /** @throws ConfigError `CONFIG_INVALID` naming the path of the first wrong value or unknown key. */
  constructor(init: ConfigInput["worker"] = {}) {
    super("worker", init);
  }

  /** Reads plain data: camelCase or snake_case keys, `null` for absent. @throws ConfigError as the constructor. */
  static fromJSON(data: unknown): WorkerConfig {
    return new WorkerConfig(part("worker", data));
  }
}

/** The whole configuration: a plain mutable object with every default filled in. */
export class OmniQConfig {
  projectName: string;
  taskQueue: TaskQueueConfig;
  resultStore: ResultStorageConfig;
  eventStore: EventStorageConfig;
  worker: WorkerConfig;
  /** What a task gets that neither its options nor its definition say. */
  taskDefaults: ConfigData["taskDefaults"];
  /** How long what has ended is kept, in milliseconds; `false` for ever. */
  retention: ConfigData["retention"];
  logging: ConfigData["logging"];

  /** @throws ConfigError `CONFIG_INVALID` naming the path of the first wrong value or unknown key. */
  constructor(init: ConfigInput = {}) {
    const data = readConfig(init);
    this.projectName = data.projectName;
    this.taskQueue = new TaskQueueConfig(data.taskQueue);
    this.resultStore = new ResultStorageConfig(data.resultStore);
    this.eventStore = new EventStorageConfig(data.eventStore);
    this.worker = new WorkerConfig(data.worker);
    this.taskDefaults = data.taskDefaults;
    this.retention = data.retention;
    this.logging = data.logging;
  }

  /** Reads plain data: camelCase or snake_case keys, `null` for absent. @throws ConfigError as the constructor. */
  static fromJSON(data: unknown): OmniQConfig {
    return new OmniQConfig(readConfig(data));
  }

  /** Plain JSON; what is absent is left out. */
  toJSON(): ConfigData {
    return {
      projectName: this.projectName,
      taskQueue: this.taskQueue.toJSON(),
      resultStore: this.resultStore.toJSON(),
      eventStore: this.eventStore.toJSON(),
      worker: this.worker.toJSON(),
      taskDefaults: { ...this.taskDefaults },
      retention: { ...this.retention },
      logging: structuredClone(this.logging),
    };
  }
}
