/** Rules for what goes on within the service's process: its CPU, its event loop, its garbage, libuv's threads, its calls to others. */
import type { DoctorEvidence } from "../core/diagnosis.ts";
import type { Rule } from "./rules.ts";
import {
  condition,
  lineForCpu,
  loopTaken,
  made,
  probeOverIdle,
  quotient,
  sign,
  singleTickMs,
  type Sign,
} from "./signs.ts";
import { THRESHOLDS as at } from "./thresholds.ts";
import { upstreamSigns } from "./upstream.ts";

export function serviceRules(evidence: DoctorEvidence): readonly Rule[] {
  return [
    gc(evidence),
    loopBlocked(evidence),
    cpu(evidence),
    libuv(evidence),
    slowUpstream(evidence),
    requestLimit(evidence),
  ];
}

function gc(evidence: DoctorEvidence): Rule {
  const { loaded } = evidence;
  // A pause in which the thread waits for a core is as long as the wait.
  const felt = [condition(sign(loaded, "gc.share", ">=", at.gcFelt)), cpuGranted(evidence)];
  return {
    bottleneck: "gc",
    ways: [[sign(loaded, "gc.share", ">=", at.gcShare)]],
    asides: [
      [sign(loaded, "gc.pauseP99Ms", ">=", at.gcPauseMs), ...felt],
      // What survives scavenges fills the old space, until the whole heap has to be collected.
      [
        sign(loaded, "gc.youngPerSecond", ">", at.scavengesPerSecond),
        sign(loaded, "gc.majorPerSecond", ">=", at.majorPerSecond),
        ...felt,
      ],
    ],
    unless: [],
    sentence:
      (loaded["gc.share"] ?? 0) >= at.gcShare
        ? "The service spends its time collecting garbage."
        : "Requests wait for the garbage collector now and then.",
  };
}

function loopBlocked(evidence: DoctorEvidence): Rule {
  const { loaded } = evidence;
  const delay = sign(loaded, "loop.delayP99Ms", ">=", at.loopDelayMs);
  const tick = made({
    resource: "event loop",
    title: "longest single tick, one request at a time",
    unit: "ms",
    value: singleTickMs(evidence),
    compare: ">=",
    limit: at.loopDelayMs,
  });
  return {
    bottleneck: "loop-blocked",
    ways: [
      [delay, tick],
      // A loop with time to spare, and with the CPU that it wants, is late because of single long ticks and not of many requests.
      [
        delay,
        condition(sign(loaded, "process.mainThreadWanting", "<", at.loopFree)),
        cpuGranted(evidence),
      ],
      // Without the service's word for it: the same seen from outside.
      [condition(sign(loaded, "loop.longestTickMs", ">=", at.loopDelayMs)), tick],
    ],
    unless: [gcShown(evidence)],
    sentence: "Single pieces of synchronous work keep the event loop from everything else.",
  };
}

function cpu(evidence: DoctorEvidence): Rule {
  const { loaded } = evidence;
  return {
    bottleneck: "cpu",
    ways: [
      [
        sign(loaded, "process.mainThreadWanting", ">=", at.mainThreadWanting),
        condition(sign(loaded, "process.mainThreadCores", ">=", at.mainThreadCores)),
      ],
      [
        sign(loaded, "loop.utilization", ">=", at.loopUtilization),
        condition(sign(loaded, "process.cpuCores", ">=", at.processCores)),
      ],
    ],
    unless: [gcShown(evidence)],
    sentence: "JavaScript takes all that one core has.",
  };
}

function gcShown({ loaded }: DoctorEvidence): Sign {
  return sign(loaded, "gc.share", ">=", at.gcShare);
}

/** Who hardly stands in line has what it wants: of a thread that seldom runs, the share it gets is a ratio of two small numbers. */
function cpuGranted(evidence: DoctorEvidence): Sign {
  const inLine = lineForCpu(evidence, "<");
  if (inLine.shown === true) return condition(inLine);
  const { loaded } = evidence;
  return condition(
    made({
      resource: "process",
      title: "CPU that the main thread gets of what it wants",
      unit: "ratio",
      value: quotient(loaded["process.mainThreadCores"], loaded["process.mainThreadWanting"]),
      compare: ">=",
      limit: at.cpuGranted,
    }),
  );
}

function libuv(evidence: DoctorEvidence): Rule {
  const { loaded } = evidence;
  const free = condition(
    made({
      resource: "event loop",
      title: "taken",
      unit: "ratio",
      value: loopTaken(evidence),
      compare: "<",
      limit: at.loopFree,
    }),
  );
  return {
    bottleneck: "libuv",
    ways: [
      [
        made({
          resource: "libuv threads",
          title: "file probe p95 over its idle value",
          unit: "count",
          value: probeOverIdle(evidence),
          compare: ">=",
          limit: at.probeOverIdle,
        }),
        sign(loaded, "libuv.probeP95Ms", ">=", at.probeLeastMs),
        free,
        // Where the main thread does not get the core that it wants, the others do not either: that is no lack of threads.
        cpuGranted(evidence),
      ],
      [
        sign(loaded, "process.busiestHelperCores", ">=", at.helperCores),
        condition(sign(loaded, "process.otherHelpersCores", "<", at.otherHelpersCores)),
        free,
      ],
    ],
    unless: [],
    sentence:
      "Work for libuv's threads (files, DNS, crypto, zlib) waits in line while the event loop has time.",
  };
}

function slowUpstream({ light, loaded }: DoctorEvidence): Rule {
  return {
    bottleneck: "slow-upstream",
    ways: [upstreamSigns(loaded), upstreamSigns(light, "one request at a time")],
    unless: [],
    sentence: "The service waits for another service.",
  };
}

/** Whatever else limits the service explains it: alone it is the service's own bound that does. */
function requestLimit(evidence: DoctorEvidence): Rule {
  const { loaded } = evidence;
  return {
    bottleneck: "request-limit",
    ways: [[sign(loaded, "load.refusedShare", ">", at.errorRate)]],
    // Without the CPU that it wants a service reaches its bound under a load that it could do otherwise: that is said by no rule.
    unless: [lineForCpu(evidence, ">=")],
    sentence:
      "The service turns requests away, and nothing that was measured is at its limit: its own bound, on requests under way or a second, comes first.",
  };
}
