/** The schema of target files: how the service is started, probed, loaded and tuned, and where its stores are. */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { TargetFile } from "../core/target-file.ts";
import * as field from "./fields.ts";
import { knobs } from "./knob-schema.ts";
import { unknownPlaceholders } from "./placeholders.ts";
import { service } from "./service-schema.ts";
import { workloads } from "./workload-schema.ts";

/** `path`: where the file lies, absolute; relative directories are relative to its folder. */
export function targetSchema(path: string) {
  const folder = dirname(path);
  return z
    .strictObject({
      name: field.name().describe("The target's name."),
      title: field.text().describe("The name for people."),
      description: field.text().describe("What the service is."),
      service: service(folder).describe("How the service is started, stopped and probed."),
      postgres: postgres().describe(
        "The service's PostgreSQL: perfopt's own (embedded) or yours (url).",
      ),
      redis: redis()
        .exactOptional()
        .describe(
          "The service's Redis: perfopt's own (local) or yours (url). Absent: it has none.",
        ),
      seed: seed(folder)
        .exactOptional()
        .describe("How an empty database is filled; an embedded one needs it."),
      knobs: knobs().describe("The settings that may be tuned, by id."),
      workloads: workloads(folder).describe("What personas can ask for, by name."),
    })
    .transform(field.checked(checkStores))
    .transform(field.checked(checkFlags))
    .transform((input): TargetFile => ({ ...input, path }));
}

function postgres() {
  return z
    .strictObject({
      embedded: z
        .strictObject({
          database: z
            .string()
            .regex(/^[a-z_][a-z0-9_]{0,62}$/, {
              error: "expected a database name of lower-case letters, digits and _",
            })
            .describe("The database's name."),
          settings: settings("on", "off").describe(
            "Settings of the server, as in postgresql.conf.",
          ),
        })
        .exactOptional()
        .describe("perfopt starts PostgreSQL itself, and fills it by seed."),
      url: url(["postgres:", "postgresql:"])
        .exactOptional()
        .describe("Your own server, best given as ${env:NAME}."),
    })
    .transform(({ embedded, url }, context) => {
      if (embedded !== undefined && url === undefined)
        return { kind: "embedded", ...embedded } as const;
      if (url !== undefined && embedded === undefined) return { kind: "url", url } as const;
      context.addIssue(
        `expected one of embedded and url, found ${url === undefined ? "neither" : "both"}`,
      );
      return z.NEVER;
    });
}

function redis() {
  return z
    .strictObject({
      local: z
        .strictObject({
          settings: settings("yes", "no").describe("Settings of the server, as in redis.conf."),
        })
        .exactOptional()
        .describe(
          "perfopt starts Redis itself, from the redis-server or valkey-server on the PATH.",
        ),
      url: url(["redis:", "rediss:"])
        .exactOptional()
        .describe("Your own server, best given as ${env:NAME}."),
    })
    .transform(({ local, url }, context) => {
      if (local !== undefined && url === undefined) return { kind: "local", ...local } as const;
      if (url !== undefined && local === undefined) return { kind: "url", url } as const;
      context.addIssue(
        `expected one of local and url, found ${url === undefined ? "neither" : "both"}`,
      );
      return z.NEVER;
    });
}

/** `yes` and `no`: how the server writes a boolean. */
function settings(yes: string, no: string) {
  const write = (value: string | number | boolean): string =>
    typeof value === "boolean" ? (value ? yes : no) : String(value);
  return z
    .record(z.string(), field.scalar())
    .default({})
    .transform((written) =>
      Object.fromEntries(Object.entries(written).map(([name, value]) => [name, write(value)])),
    );
}

/** The value is never repeated in a message: it may hold a password. */
function url(protocols: readonly [string, ...string[]]) {
  const forms = protocols.map((protocol) => `${protocol}//`).join(" or ");
  return z
    .string()
    .refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
      error: `expected a URL that begins with ${forms}, found another text (not shown, it may hold a password)`,
    });
}

const SEED_PLACEHOLDERS = ["scale", "seed"];
const ENV_PLACEHOLDERS = ["port", "postgres.url", "redis.url"];

function seed(folder: string) {
  return z
    .strictObject({
      command: field
        .command()
        .superRefine((words, context) => {
          for (const word of words) {
            unknownPlaceholders(word, SEED_PLACEHOLDERS, (message) => context.addIssue(message));
          }
        })
        .describe(
          "The command that creates and fills the tables of the database in DATABASE_URL; ${scale} and ${seed} are filled in.",
        ),
      directory: field
        .text()
        .default(".")
        .describe("Where the command runs, relative to this file's folder."),
      scales: z
        .array(field.text())
        .min(1)
        .describe("The scales that ${scale} may be, the smallest first."),
      default: field.text().describe("The scale of a usual run."),
      quick: field.text().describe("The scale of a run with --quick."),
    })
    .superRefine(({ scales, ...chosen }, context) => {
      for (const key of ["default", "quick"] as const) {
        if (scales.includes(chosen[key])) continue;
        context.addIssue({
          code: "custom",
          path: [key],
          message: `expected one of the scales ${scales.join(", ")}`,
        });
      }
    })
    .transform(
      ({ command: [program, ...args], directory, scales, default: defaultScale, quick }) => ({
        command: { program, args, directory: resolve(folder, directory) },
        scales,
        defaultScale,
        quickScale: quick,
      }),
    );
}

function checkStores(input: Omit<TargetFile, "path">, context: z.RefinementCtx): void {
  const issue = (path: readonly PropertyKey[], message: string): void => {
    context.addIssue({ code: "custom", path: [...path], message });
  };
  if (input.postgres.kind === "embedded" && input.seed === undefined) {
    issue(
      ["postgres", "embedded"],
      "expected seed beside postgres, as an embedded one starts empty, found none",
    );
  }
  const known = ENV_PLACEHOLDERS.filter(
    (name) => name !== "redis.url" || input.redis !== undefined,
  );
  for (const [name, value] of Object.entries(input.service.env)) {
    unknownPlaceholders(value, known, (message) => issue(["service", "env", name], message));
  }
  if (input.redis !== undefined) return;
  for (const { id, set } of input.knobs) {
    if (set.kind === "redis") {
      issue(["knobs", id, "redis"], "expected env, as the target has no redis section");
    }
  }
}

/** Node takes a flag of its command line before that of NODE_OPTIONS: turning such a knob would do nothing. */
function checkFlags({ service, knobs }: Omit<TargetFile, "path">, context: z.RefinementCtx): void {
  const flags = service.start.args.flatMap((arg) => arg.split(/\s+/).map(flagOf));
  const isVariable = knobs.some(
    ({ set }) => set.kind === "env" && set.variable.toUpperCase() === "NODE_OPTIONS",
  );
  for (const { id, set } of knobs) {
    if (set.kind !== "node-option") continue;
    const issue = (message: string): void => {
      context.addIssue({ code: "custom", path: ["knobs", id, "nodeOption"], message });
    };
    if (flags.includes(set.flag)) {
      issue(
        `expected ${set.flag} not to be in service.start, where it wins over NODE_OPTIONS; move it to NODE_OPTIONS in service.env`,
      );
    }
    if (isVariable) issue("expected no other knob to set the variable NODE_OPTIONS as a whole");
  }
}

/** Node takes underscores for dashes. */
function flagOf(word: string): string {
  return (word.split("=")[0] ?? "").replaceAll("_", "-");
}
