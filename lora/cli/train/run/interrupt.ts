/** @file Ctrl-C: the first asks the run to stop after its step, the second ends the process. */

/** Whether Ctrl-C was pressed. */
export interface Interrupt {
  readonly happened: boolean;
  /** Gives Ctrl-C back its usual meaning. */
  end(): void;
}

/** Waits for Ctrl-C, or for SIGTERM. @param said called at the first one */
export function watchInterrupt(said: () => void): Interrupt {
  const state = { happened: false };
  const listen = (): void => {
    if (state.happened) process.exit(130);
    state.happened = true;
    said();
  };
  process.on("SIGINT", listen).on("SIGTERM", listen);
  return {
    get happened() {
      return state.happened;
    },
    end: () => void process.off("SIGINT", listen).off("SIGTERM", listen),
  };
}
