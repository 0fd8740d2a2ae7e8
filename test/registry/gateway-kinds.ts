// The gateways that can be run here: what holds for one has to hold for the other.

import { spawnSync } from "node:child_process";
import { openGateway } from "../../src/registry/gateway/gateway.ts";
import type { GatewayOptions, RunningGateway } from "../../src/registry/gateway/gateway.ts";
import { haproxyProgram } from "../../src/registry/gateway/haproxy-process.ts";
import { openHaproxy } from "../../src/registry/gateway/haproxy.ts";
import type { Open } from "./gateway-world.ts";

export const hasHaproxy = spawnSync("haproxy", ["-v"]).status === 0;

export const gatewayKinds: readonly (readonly [name: string, open: Open])[] = [
  ["embedded", openGateway],
  ...(hasHaproxy ? [["haproxy", openInstalled] as const] : []),
];

function openInstalled(options: GatewayOptions): Promise<RunningGateway> {
  return openHaproxy(options, haproxyProgram(process.env));
}
