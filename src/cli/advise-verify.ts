/** `advise indexes --verify`: the proposal built in a copy of the database and timed there, before anybody is told to build it. */
import type { Command } from "commander";
import { makeSchema } from "../advise/indexes/clone/schema.ts";
import { settingValue } from "../advise/indexes/clone/settings.ts";
import type { Proposal, Prove } from "../advise/indexes/proposal.ts";
import type { Snapshot } from "../advise/indexes/snapshot/snapshot.ts";
import type { Verification } from "../core/advice.ts";
import { PerfoptError } from "../core/errors.ts";
import { quoteName } from "../core/index-definition.ts";
import { parseBytes, parseDuration } from "../core/units.ts";
import { defaultVerifyRules, verifyIndexes, type VerifyRules } from "../decide/verify-indexes.ts";
import { withDataCopy } from "../target/data-copy.ts";
import { sqlStateOf } from "../target/index-state.ts";
import { defaultIndexLimits } from "../target/safe-index.ts";
import { readOnly, withConnection } from "../target/sql.ts";
import { withVerifyStand, type StandOptions } from "../target/verify-indexes.ts";
import type { SourceOptions } from "./advise-database.ts";
import type { AdviceSource } from "./advise-source.ts";
import type { Context } from "./context.ts";
import { seedOf } from "./job.ts";
import { countOf } from "./load.ts";
import { binariesOf } from "./postgres-bin.ts";
import type { Progress } from "./progress.ts";

export interface VerifyOptions extends SourceOptions {
  readonly verify?: boolean;
  readonly verifyOn?: string;
  readonly copyMax: string;
  readonly repetitions?: string;
  readonly queryTimeout?: string;
  readonly maxRegression: string;
}

export function addVerifyOptions(command: Command): Command {
  return command
    .option(
      "--verify",
      "build the proposal in a copy of the database on this machine, time the statements with and without it in turns, and take out what harms",
    )
    .option(
      "--verify-on <url>",
      "the same in a copy that you give, such as staging: indexes are built there and dropped again",
    )
    .option("--copy-max <size>", "the most that --verify copies", "5gb")
    .option(
      "--repetitions <number>",
      `runs of each statement with either set (default: ${defaultVerifyRules.pairs})`,
    )
    .option("--query-timeout <time>", "of one run of a statement (default: 60s)");
}

/** Where the data is that a proposal is proven on. */
export type ProofPlace = Pick<StandOptions, "url" | "place" | "dataFolder">;

/** Opens the place for as long as `use` takes; a copy is made for it and goes with it. */
export type WithProofPlace = <T>(use: (at: ProofPlace) => Promise<T>) => Promise<T>;

/** Undefined when nobody asked for it. Throws bad-input before anything is measured; what it returns does before anything is built. */
export function proofPlaceOf(
  context: Context,
  options: VerifyOptions,
  source: AdviceSource,
  progress: Progress,
): WithProofPlace | undefined {
  if (options.verify !== true && options.verifyOn === undefined) return undefined;
  const bytesMax = parseBytes(options.copyMax);
  if (bytesMax === undefined) {
    throw new PerfoptError(
      "bad-input",
      `--copy-max ${options.copyMax} is no size`,
      "give for example 5gb",
    );
  }
  const { database, snapshot } = source;
  const { verifyOn } = options;
  if (verifyOn !== undefined) {
    return async (use) => {
      if (database?.disposable === false) await refuseAdvised(database.url, verifyOn);
      return use({ url: verifyOn, place: "given", dataFolder: undefined });
    };
  }
  if (database === undefined) {
    throw new PerfoptError(
      "bad-input",
      "--verify has no data to run the statements on: a snapshot holds none",
      "give a copy of the database: --verify-on URL; or --url instead of --snapshot",
    );
  }
  if (database.disposable) {
    return (use) => use({ url: database.url, place: "scratch", dataFolder: undefined });
  }
  return (use) => {
    progress.say("copying the database");
    return withDataCopy(
      {
        sourceUrl: database.url,
        home: context.home,
        signal: context.signal,
        environment: context.env,
        onProgress: progress.say,
        ...binariesOf(context, options),
        locale: snapshot.locale,
        makeSchema: async (connection) => {
          await makeSchema(connection, snapshot);
        },
        settings: sessionSettings(snapshot),
        bytesMax,
      },
      async (copy) => {
        for (const caveat of copy.caveats) progress.print(`the copy: ${caveat}`);
        return use({ url: copy.url, place: "scratch", dataFolder: copy.dataFolder });
      },
    );
  };
}

/** `afterwards` is done in the same place, when the indexes are gone again. */
export function proverOf(
  context: Context,
  options: VerifyOptions,
  withPlace: WithProofPlace | undefined,
  regressionMax: number,
  progress: Progress,
  afterwards: (at: ProofPlace) => Promise<void>,
): Prove | undefined {
  if (withPlace === undefined) return undefined;
  const rules = rulesOf(options, regressionMax);
  return (proposal) =>
    withPlace(async (at) => {
      const verification = await timed(context, at, proposal, rules, progress);
      await afterwards(at);
      return verification;
    });
}

/** The one that is advised may be in production, whatever its URL looks like: a host has several names. */
async function refuseAdvised(advisedUrl: string, givenUrl: string): Promise<void> {
  const [advised, given] = [await identityOf(advisedUrl), await identityOf(givenUrl)];
  if (advised.database !== given.database) return;
  if (advised.startedAt === given.startedAt) {
    throw new PerfoptError(
      "bad-input",
      "--verify-on is the database that is advised, and indexes would be built in it",
      "give a copy of it that nobody needs; or --verify, which makes one on this machine",
    );
  }
  // A copy of the files has its original's identifier too, and is told from it by when its server started; a standby's primary is not.
  if (!advised.standby || advised.system === undefined || advised.system !== given.system) return;
  throw new PerfoptError(
    "bad-input",
    "the database that is advised is a standby, and --verify-on may be its primary: both are of one cluster",
    "give another copy, or --verify; if it is a copy after all, advise from `perfopt snapshot` by --snapshot",
  );
}

interface DatabaseIdentity {
  readonly database: unknown;
  /** Of the server, to the microsecond. */
  readonly startedAt: unknown;
  readonly standby: boolean;
  /** Undefined where the role, or the provider, does not let it be asked for. */
  readonly system: unknown;
}

function identityOf(url: string): Promise<DatabaseIdentity> {
  return withConnection(url, async (client) => {
    const [row] = await readOnly(
      client,
      `SELECT current_database()::text AS database, extract(epoch FROM pg_postmaster_start_time())::text AS started,
         pg_is_in_recovery() AS standby`,
    );
    const [control] = await readOnly(
      client,
      "SELECT system_identifier::text AS system FROM pg_control_system()",
    ).catch((error: unknown) => {
      if (sqlStateOf(error) === undefined) throw error;
      return [];
    });
    return {
      database: row?.["database"],
      startedAt: row?.["started"],
      standby: row?.["standby"] === true,
      system: control?.["system"],
    };
  });
}

function rulesOf(options: VerifyOptions, regressionMax: number): VerifyRules {
  const { repetitions, queryTimeout } = options;
  const timeoutMs =
    queryTimeout === undefined ? defaultVerifyRules.timeoutMs : parseDuration(queryTimeout);
  if (timeoutMs === undefined || timeoutMs <= 0) {
    throw new PerfoptError(
      "bad-input",
      `--query-timeout ${queryTimeout} is no time`,
      "give for example 30s",
    );
  }
  return {
    ...defaultVerifyRules,
    regressionMax,
    timeoutMs,
    seed: seedOf(options),
    ...(repetitions === undefined
      ? {}
      : { pairs: countOf("--repetitions", repetitions, 4, 1_000) }),
  };
}

function timed(
  context: Context,
  at: Pick<StandOptions, "url" | "place" | "dataFolder">,
  proposal: Proposal,
  rules: VerifyRules,
  progress: Progress,
): Promise<Verification> {
  progress.say(`building ${proposal.indexes.length} indexes to time them`);
  return withVerifyStand(
    {
      ...at,
      indexes: proposal.indexes.map(({ index }) => index),
      limits: defaultIndexLimits,
      signal: context.signal,
      onProgress: progress.say,
    },
    (stand) => verifyIndexes(stand, { ...proposal, onProgress: progress.say }, rules),
  );
}

/** What a session of the copy has to have to plan as the source does. */
function sessionSettings(snapshot: Snapshot): Readonly<Record<string, string>> {
  return {
    ...Object.fromEntries(snapshot.settings.map((each) => [each.name, settingValue(each)])),
    search_path: snapshot.searchPath.map(quoteName).join(", "),
  };
}
