/** Runs `perfopt doctor` on each sick service of a set, and compares what is named first with what was planted. */
import { rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { contextOf } from "../../src/cli/context.ts";
import { main } from "../../src/cli/main.ts";
import type { Diagnosis, DoctorResult } from "../../src/core/diagnosis.ts";
import { temporaryHome } from "../../test/integration/stores.ts";
import { writeTarget, type Fault, type FaultPlace, type FaultSet } from "./faults.ts";
import type { BenchOptions, BenchResult } from "../run.ts";

/** A slow service that is somebody else's: it answers by a timer, of so many milliseconds as its path says, else these. */
const UPSTREAM_MS = 200;
/** What a sick one is told is in test/cli/doctor.test.ts. */
const TINY: readonly string[] = ["healthy"];
/** A diagnosis that was refused because of the machine's neighbours is made again, so often and no more. */
const FULL = { duration: "4s", warmup: "1s", attempts: 4 };
const SHORT: typeof FULL = { duration: "1s", warmup: "300ms", attempts: 1 };
const NAMED_LEAST = 0.9;
const OUTCOMES: readonly number[] = [0, 1, 3];

interface Examined {
  readonly fault: Fault;
  readonly diagnosis: Diagnosis;
  readonly attempts: number;
}

export async function examineSet(
  set: FaultSet,
  title: string,
  { tiny }: BenchOptions,
): Promise<BenchResult> {
  const home = await temporaryHome();
  const upstream = await openUpstream();
  try {
    const place: FaultPlace = {
      folder: join(home, "targets-of-the-bench"),
      scale: tiny ? "small" : "full",
      upstreamUrl: upstream.url,
    };
    const examined: Examined[] = [];
    for (const fault of chosenFaults(set, tiny)) {
      examined.push(await examine(set, fault, place, home, tiny ? SHORT : FULL));
    }
    return resultOf(title, examined, tiny);
  } finally {
    await upstream.close();
    await rm(home, { recursive: true, force: true });
  }
}

function chosenFaults({ faults }: FaultSet, tiny: boolean): readonly Fault[] {
  const named = process.env["PERFOPT_FAULTS"]?.split(",");
  const chosen = tiny ? TINY : named;
  const unknown = chosen?.filter((name) => !faults.some((fault) => fault.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`PERFOPT_FAULTS: there is no ${unknown.join(", ")}`);
  return faults.filter(({ name }) => chosen?.includes(name) ?? true);
}

async function examine(
  set: FaultSet,
  fault: Fault,
  place: FaultPlace,
  home: string,
  { duration, warmup, attempts }: Readonly<typeof FULL>,
): Promise<Examined> {
  const target = await writeTarget(fault, place, set);
  const load = ["--rate", fault.rate, "--duration", duration, "--warmup", warmup];
  const args = ["doctor", "--target", target, ...load];
  for (let attempt = 1; ; attempt += 1) {
    const { diagnosis } = await doctor([...args, "--json"], home);
    if (!isRefused(diagnosis) || attempt === attempts) {
      return { fault, diagnosis, attempts: attempt };
    }
  }
}

/** Noisy machines, late generators, and services that did not get the CPU that they want: nothing was said of the service. */
function isRefused({ verdict, because }: Diagnosis): boolean {
  return (
    verdict === "host" ||
    because.some((why) => why.startsWith("generator") || why.startsWith("process: main thread in"))
  );
}

async function doctor(args: readonly string[], home: string): Promise<DoctorResult> {
  const printed = { out: "", err: "" };
  const context = contextOf(args);
  const code = await main(args, {
    ...context,
    home,
    env: { ...context.env, PERFOPT_HOME: home },
    interactive: false,
    out: (text) => void (printed.out += text),
    err: (text) => void (printed.err += text),
  });
  if (!OUTCOMES.includes(code)) {
    throw new Error(`perfopt ${args.join(" ")} ended with ${code}: ${printed.err}`);
  }
  const result: DoctorResult = JSON.parse(printed.out);
  return result;
}

function resultOf(title: string, examined: readonly Examined[], tiny: boolean): BenchResult {
  const right = examined.filter(({ fault, diagnosis }) => diagnosis.verdict === fault.expected);
  const goal = tiny ? examined.length : Math.ceil(NAMED_LEAST * examined.length);
  const healthy = examined.find(({ fault }) => fault.name === "healthy")?.diagnosis.verdict;
  return {
    title,
    head: ["fault", "expected", "named first", "certainty", "attempts", "evidence", "also found"],
    rows: examined.map(cellsOf),
    acceptance: [
      {
        what: "named right, first",
        value: `${right.length} of ${examined.length}`,
        goal: `at least ${goal}`,
        ok: right.length >= goal,
      },
      {
        what: "the healthy one",
        value: healthy ?? "not examined",
        goal: "none",
        // Where others were chosen, its acceptance number is nobody's.
        ok: healthy === undefined || healthy === "none",
      },
    ],
  };
}

function cellsOf({ fault, diagnosis, attempts }: Examined): readonly string[] {
  const { verdict, certainty, findings, because } = diagnosis;
  const [first, ...others] = findings;
  return [
    fault.name,
    fault.expected,
    verdict,
    certainty,
    String(attempts),
    (first?.evidence ?? because).filter((line) => !line.startsWith("the statement")).join("; "),
    others
      .map(({ bottleneck, symptomOf }) => `${bottleneck}${symptomOf ? ` (by ${symptomOf})` : ""}`)
      .join(", "),
  ];
}

async function openUpstream() {
  const server: Server = createServer(({ url = "/" }, response) => {
    const asked = Number(url.slice(1));
    setTimeout(() => response.end("late"), asked > 0 ? asked : UPSTREAM_MS);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise<void>((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}
