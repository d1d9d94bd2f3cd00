/** What a configuration comes to: the parts that the façade is put together from. */
import type { LoadedConfig } from "./config/load.ts";
import { settingsOf } from "./config/settings.ts";
import type { StoreSettings } from "./config/settings.ts";
import { stderrLogger } from "./host.ts";
import { silentLogger } from "./runtime/logger.ts";
import type { OmniQOptions, Place, Setup } from "./runtime/setup.ts";

/** What a configuration cannot say. */
export type InCode = Pick<OmniQOptions, "logger" | "clock">;

/** @throws ConfigError `CONFIG_INVALID` where the stores' options contradict each other. */
export function setupFrom({ config, origins }: LoadedConfig, { logger, clock }: InCode): Setup {
  const settings = settingsOf(config, origins);
  const { projectName, taskQueue, resultStore, eventStore, retention, queues, concurrency, lease, prefetch } = settings;
  const placeOf = ({ key, type: _type, ...open }: StoreSettings): Place => ({
    key,
    open: { projectName, ...open, ...(clock === undefined ? {} : { clock }) },
  });
  return {
    main: placeOf(taskQueue),
    results: placeOf(resultStore),
    events: placeOf(eventStore),
    taskDefaults: settings.taskDefaults,
    retention,
    workers: {
      queues,
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(lease === undefined ? {} : { lease }),
      ...(prefetch === undefined ? {} : { prefetch }),
    },
    payloadLimit: undefined,
    logger: settings.logging.disabled ? silentLogger : (logger ?? stderrLogger(settings.logging)),
    clock,
  };
}
