/** What explains what: a cause takes the blame from its symptoms, so that one sickness is not told as five. */
import { bottlenecks, type Bottleneck } from "../core/diagnosis.ts";

/**
 * By cause, what it brings about. Causes stand before their symptoms in `bottlenecks`, so that nothing explains itself in a circle.
 * Collections stop the loop, a loop that is taken or blocked makes everything that is timed within the service look slow, a slow
 * statement holds sessions and connections, an evicting cache sends its requests to the database, and who waits for another service
 * may hold a connection meanwhile.
 */
const BROUGHT_ABOUT: Readonly<Record<Bottleneck, readonly Bottleneck[]>> = {
  gc: ["loop-blocked", "cpu", "libuv", "slow-upstream", "pool-starved", "queue-overload"],
  "loop-blocked": ["cpu", "libuv", "slow-upstream", "pool-starved", "queue-overload"],
  cpu: ["libuv", "slow-upstream", "pool-starved", "queue-overload"],
  "slow-query": ["database-saturated", "pool-starved", "queue-overload"],
  redis: ["database-saturated", "pool-starved", "queue-overload"],
  "database-saturated": ["pool-starved", "queue-overload"],
  libuv: ["slow-upstream", "queue-overload"],
  "slow-upstream": ["pool-starved", "queue-overload"],
  "pool-starved": ["queue-overload"],
  "queue-overload": [],
  "request-limit": [],
};

/** Whatever limits a service makes requests stay until there are too many of them. */
function explains(cause: Bottleneck, symptom: Bottleneck): boolean {
  return symptom === "request-limit" ? cause !== symptom : BROUGHT_ABOUT[cause].includes(symptom);
}

/** Of those that fired, what each is a symptom of; undefined for the causes. */
export function causesOf(
  fired: readonly Bottleneck[],
): ReadonlyMap<Bottleneck, Bottleneck | undefined> {
  const ordered = bottlenecks.filter((each) => fired.includes(each));
  return new Map(
    ordered.map((symptom) => [symptom, ordered.find((cause) => explains(cause, symptom))]),
  );
}
