/** Which processes do the service's work, and what they use: the started one with its children, unless another one listens on its port. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ancestorsOf, commandLineOf, treeOf, treeUse, type TreeUse } from "./proc.ts";
import { findHolder, listeningSockets } from "./sockets.ts";

export type ServiceUse =
  | { readonly kind: "tree"; readonly pid: number }
  /** A control group (version 2) that holds the service and nothing else: it counts microseconds where /proc counts 10 ms. */
  | { readonly kind: "cgroup"; readonly folder: string; readonly pid: number }
  | { readonly kind: "unknown"; readonly why: string };

/** Programs that pass connections on to where the service really runs. */
const PROXIES: ReadonlySet<string> = new Set([
  "docker-proxy",
  "rootlessport",
  "rootlesskit",
  "slirp4netns",
  "pasta",
  "gvproxy",
  "conmon",
  "kubectl",
  "socat",
  "ssh",
]);
/** Version 2 alone, and beside version 1. */
const CGROUP_MOUNTS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** For a process that perfopt started and that answers on a port of this machine. */
export async function findServiceUse(pid: number, port: number): Promise<ServiceUse> {
  const sockets = await listeningSockets(port);
  // Without such a list the started process is the best guess; the sample checks that it works at all.
  if (!sockets) return { kind: "tree", pid };
  const own = await findHolder(sockets, [...(await treeOf(pid))]);
  // One that it started as another user, which may not be looked into.
  if (own.pid === undefined && !own.complete) return { kind: "tree", pid };
  const listener = own.pid ?? (await findHolder(sockets)).pid;
  if (listener === undefined) {
    const nobody = "no process of this machine does, so it may run in a container";
    return unknown(port, sockets.length === 0 ? nobody : "a process of another user does");
  }
  const [path = ""] = (await commandLineOf(listener)).split(" ");
  const program = basename(path);
  return PROXIES.has(program)
    ? unknown(port, `${program} (process ${listener}) does, which passes requests on`)
    : withCgroup(listener, own.pid === undefined ? listener : pid);
}

function unknown(port: number, who: string): ServiceUse {
  return {
    kind: "unknown",
    why: `the program that perfopt started does not itself answer on port ${port}; ${who}`,
  };
}

/** CPU time so far and memory now; undefined where they cannot be read. */
export async function readServiceUse(use: ServiceUse): Promise<TreeUse | undefined> {
  if (use.kind === "unknown") return undefined;
  const tree = await treeUse(use.pid);
  if (use.kind === "tree" || !tree) return tree;
  const cpuMs = await cgroupCpuMs(use.folder);
  return cpuMs === undefined ? undefined : { ...tree, cpuMs };
}

async function withCgroup(listener: number, root: number): Promise<ServiceUse> {
  const folder = await ownCgroup(listener);
  return folder === undefined
    ? { kind: "tree", pid: root }
    : { kind: "cgroup", folder, pid: listener };
}

/**
 * The folder of the process's control group, when that holds the process's own family alone: not perfopt, whose group is its
 * terminal's or its CI job's, and nobody's else.
 */
async function ownCgroup(pid: number): Promise<string | undefined> {
  const path = await cgroupPath(pid);
  const perfopts = await cgroupPath(process.pid);
  if (path === undefined || perfopts === undefined || path === "/" || path.includes("..")) {
    return undefined;
  }
  if (perfopts === path || perfopts.startsWith(`${path}/`)) return undefined;
  for (const mount of CGROUP_MOUNTS) {
    const folder = join(mount, path);
    if ((await cgroupCpuMs(folder)) === undefined) continue;
    return (await holdsOneFamily(folder, pid)) ? folder : undefined;
  }
  return undefined;
}

async function cgroupPath(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  return /^0::(.*)$/m.exec(text)?.[1];
}

async function holdsOneFamily(folder: string, pid: number): Promise<boolean> {
  const members = new Set(await cgroupMembers(folder));
  // The oldest ancestor within the group: in a container its first process, which may only have started the service.
  const eldest = (await ancestorsOf(pid)).findLast((each) => members.has(each)) ?? pid;
  const family = await treeOf(eldest);
  return members.size > 0 && [...members].every((each) => family.has(each));
}

async function cgroupMembers(folder: string): Promise<readonly number[]> {
  const own = await readFile(join(folder, "cgroup.procs"), "utf8").catch(() => "");
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below: number[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) below.push(...(await cgroupMembers(join(folder, entry.name))));
  }
  return [...own.split("\n").filter(Boolean).map(Number), ...below];
}

async function cgroupCpuMs(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, "cpu.stat"), "utf8").catch(() => "");
  const microseconds = /^usage_usec (\d+)$/m.exec(text)?.[1];
  return microseconds === undefined ? undefined : Number(microseconds) / 1_000;
}
