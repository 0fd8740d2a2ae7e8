// Artifacts of model versions as clients send, fetch, verify, compare and scan them.

import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { artifactOf } from "../../src/registry/artifacts/store.ts";
import { API_BASE } from "../../src/registry/endpoint.ts";
import { openRegistry } from "./client.ts";
import type { TestRegistry } from "./client.ts";
import { startStores } from "./stores.ts";
import type { Stores } from "./stores.ts";

let stores: Stores;
let environment: Record<string, string> = {};
let api: TestRegistry;

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const KEY = publicKey.export({ format: "der", type: "spki" }).toString("base64");
const before = Buffer.from(Array.from({ length: 3_000 }, (_, line) => `line ${line}\n`).join(""));
const after = Buffer.from(before.toString().replace("line 7\n", "line seven\n"));

beforeAll(async () => {
  stores = await startStores();
  environment = {
    DATABASE_URL: await stores.createDatabase("artifacts"),
    REDIS_URL: stores.redisUrl,
  };
  api = await openRegistry(environment);
  await api.post("registered-models/create", { name: "m" });
  for (let version = 1; version <= 5; version += 1)
    await api.post("model-versions/create", { name: "m", source: "s3://m" });
}, 60_000);

afterAll(async () => {
  await api?.close();
  await stores?.stop();
}, 60_000);

type Upload = {
  readonly name?: string;
  readonly path?: string;
  readonly content?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
};

function put(version: number, upload: Upload = {}): Promise<Response> {
  const { name = "m", path = "model.txt", content = before, headers = {} } = upload;
  const query = new URLSearchParams({ name, version: String(version), path });
  return fetch(`${api.url}${API_BASE}/model-versions/artifact?${query.toString()}`, {
    method: "PUT",
    body: Buffer.from(content),
    headers: {
      "content-type": "application/octet-stream",
      "x-artifact-signature": sign(null, content, privateKey).toString("base64"),
      "x-artifact-public-key": KEY,
      ...headers,
    },
  });
}

const digestHeader = (content: Uint8Array): string =>
  `sha-256=:${createHash("sha256").update(content).digest("base64")}:`;

function get(version: number, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${api.url}${API_BASE}/model-versions/artifact?name=m&version=${version}`, {
    headers,
  });
}

test("what was put comes back, with its digest as the entity tag, and not again to who has it", async () => {
  const stored = await put(1, { headers: { "content-digest": digestHeader(before) } });
  const sha256 = createHash("sha256").update(before).digest("hex");
  expect([stored.status, await stored.json()]).toEqual([
    200,
    { artifact: { name: "m", version: 1, path: "model.txt", bytes: before.byteLength, sha256 } },
  ]);
  const fetched = await get(1);
  expect(Object.fromEntries(fetched.headers)).toMatchObject({
    etag: `"${sha256}"`,
    "content-type": "application/octet-stream",
    "content-length": String(before.byteLength),
    "content-digest": digestHeader(before),
    "content-disposition": "attachment; filename*=UTF-8''model.txt",
  });
  expect(Buffer.from(await fetched.arrayBuffer()).equals(before)).toBe(true);
  for (const tags of [`"${sha256}"`, `"other", W/"${sha256}"`, "*"]) {
    const again = await get(1, { "if-none-match": tags });
    expect([again.status, await again.text()]).toEqual([304, ""]);
  }
  expect((await get(1, { "if-none-match": '"other"' })).status).toBe(200);
  const artifact = await artifactOf(api.backend.database, "m", 1);
  expect([artifact?.path, artifact?.bytes, artifact?.sha256]).toEqual([
    "model.txt",
    before.byteLength,
    sha256,
  ]);
  expect(artifact?.publicKeyPem).toBe(publicKey.export({ format: "pem", type: "spki" }));
});

test("a file name is written as RFC 8187 has it", async () => {
  expect((await put(1, { path: "a'(b)*!~é.txt" })).status).toBe(200);
  expect((await get(1)).headers.get("content-disposition")).toBe(
    "attachment; filename*=UTF-8''a%27%28b%29%2A!~%C3%A9.txt",
  );
});

test("without room for what is asked for nothing is fetched, and nobody is kept waiting", async () => {
  await put(1);
  const { compute } = api.backend;
  const release = compute.reserve(128 * 1024 * 1024 - 1);
  for (const path of ["verify", "scan", "diff"]) {
    const input = { name: "m", version: "1", other_version: "1" };
    const { status, body } = await api.ask("POST", `model-versions/${path}`, input);
    expect([path, status, body.error_code]).toEqual([path, 503, "TEMPORARILY_UNAVAILABLE"]);
  }
  const refused = await put(1);
  expect([refused.status, Number(refused.headers.get("retry-after"))]).toEqual([503, 1]);
  release();
  expect((await put(1)).status).toBe(200);
  expect(
    await api.post("model-versions/diff", { name: "m", version: "1", other_version: "1" }),
  ).toMatchObject({ added: 0, patch: "" });
  // All that was taken was given back.
  compute.reserve(128 * 1024 * 1024)();
});

test("work for a client that went away is broken off", async () => {
  const slow = Buffer.alloc(8 * 1024 * 1024, "\x8c\x01a", "latin1");
  await put(1, { content: slow });
  const scan = vi.spyOn(api.backend.compute, "scan");
  const gone = new AbortController();
  const request = fetch(`${api.url}${API_BASE}/model-versions/scan`, {
    method: "POST",
    body: JSON.stringify({ name: "m", version: 1 }),
    headers: { "content-type": "application/json" },
    signal: gone.signal,
  });
  const underWay = request.catch((error: unknown) => error);
  await expect.poll(() => scan.mock.calls.length).toBe(1);
  gone.abort();
  expect(await underWay).toMatchObject({ name: "AbortError" });
  await expect(scan.mock.results[0]?.value).rejects.toThrow("The client closed the connection.");
  scan.mockRestore();
});

test("a second artifact takes the place of the first, an empty one is one too, and both go with their version", async () => {
  await put(5);
  expect((await put(5, { content: after, path: "new.txt" })).status).toBe(200);
  expect(Buffer.from(await (await get(5)).arrayBuffer()).equals(after)).toBe(true);
  expect((await put(5, { content: new Uint8Array() })).status).toBe(200);
  const empty = await get(5);
  expect([empty.status, await empty.text()]).toEqual([200, ""]);
  const verified = await api.post("model-versions/verify", { name: "m", version: "5" });
  expect(verified).toMatchObject({ digest_matches: true, signature_valid: true, bytes: 0 });
  expect(
    (await api.ask("DELETE", "model-versions/delete", { name: "m", version: "5" })).status,
  ).toBe(200);
  expect((await get(5)).status).toBe(404);
});

test("verify tells a right signature, a wrong one, and content that is not what was signed", async () => {
  await put(1);
  const right = await api.post("model-versions/verify", { name: "m", version: "1" });
  expect(right).toEqual({
    digest_matches: true,
    signature_valid: true,
    sha256: createHash("sha256").update(before).digest("hex"),
    bytes: before.byteLength,
  });
  await put(2, {
    headers: { "x-artifact-signature": sign(null, after, privateKey).toString("base64") },
  });
  expect(await api.post("model-versions/verify", { name: "m", version: "2" })).toMatchObject({
    digest_matches: true,
    signature_valid: false,
  });
  // Somebody changed the database behind the service's back.
  await api.backend.database.query(
    "UPDATE artifacts SET sha256 = repeat('0', 64) WHERE version = 2",
  );
  expect(await api.post("model-versions/verify", { name: "m", version: "2" })).toMatchObject({
    digest_matches: false,
  });
});

test("diff and scan work on what is stored", async () => {
  await put(1);
  await put(2, { content: after });
  expect(
    await api.post("model-versions/diff", { name: "m", version: "1", other_version: "2" }),
  ).toEqual({
    binary: false,
    added: 1,
    removed: 1,
    cut: false,
    patch:
      "--- before\n+++ after\n@@ -5,7 +5,7 @@\n line 4\n line 5\n line 6\n-line 7\n+line seven\n line 8\n line 9\n line 10\n",
  });
  await put(3, { content: Buffer.from("cos\nsystem\n(S'id'\ntR.") });
  expect(await api.post("model-versions/scan", { name: "m", version: "3" })).toEqual({
    findings: [{ rule: "pickle-import", offset: 0, detail: "os.system" }],
  });
  expect(await api.post("model-versions/scan", { name: "m", version: "1" })).toEqual({
    findings: [],
  });
});

test.each<[string, number, Upload]>([
  ["a digest of something else", 400, { headers: { "content-digest": digestHeader(after) } }],
  ["a digest in no form", 400, { headers: { "content-digest": "md5=:AAAA:" } }],
  ["no signature", 400, { headers: { "x-artifact-signature": "" } }],
  ["half a signature", 400, { headers: { "x-artifact-signature": "AAAA" } }],
  ["a key that is none", 400, { headers: { "x-artifact-public-key": "AAAA" } }],
  ["JSON", 400, { headers: { "content-type": "application/json" } }],
  ["no path", 400, { path: "" }],
  ["too much", 400, { content: new Uint8Array(8 * 1024 * 1024 + 1) }],
  ["a model that is not there", 404, { name: "nobody" }],
])("PUT of %s is answered with %i", async (_what, status, upload) => {
  const answer = await put(4, upload);
  const body: unknown = await answer.json();
  expect([answer.status, body]).toEqual([
    status,
    { error_code: expect.any(String), message: expect.any(String) },
  ]);
  expect((await get(4)).status).toBe(404);
});

test("the most that is allowed is taken, and what has no artifact is not found", async () => {
  expect((await put(4, { content: new Uint8Array(8 * 1024 * 1024) })).status).toBe(200);
  expect((await (await get(4)).arrayBuffer()).byteLength).toBe(8 * 1024 * 1024);
  const verified = await api.post("model-versions/verify", { name: "m", version: "4" });
  expect(verified).toMatchObject({ digest_matches: true, signature_valid: true });
  for (const path of ["verify", "scan", "diff"]) {
    const input = { name: "m", version: "99", other_version: "1" };
    expect((await api.ask("POST", `model-versions/${path}`, input)).status).toBe(404);
  }
  expect((await api.ask("POST", "model-versions/verify", { name: "m" })).status).toBe(400);
});

test("more than may wait for a thread is told when to come back, and the metrics show what happened", async () => {
  // Scanned for much longer than it takes to fetch: the others come while the first is under way.
  await put(1, { content: Buffer.alloc(6 * 1024 * 1024, "\x8c\x01a", "latin1") });
  const busy = await openRegistry({ ...environment, THREADS_MAX: "1", THREAD_QUEUE_LIMIT: "1" });
  const url = `${busy.url}${API_BASE}/model-versions/scan`;
  const scan = (): Promise<Response> =>
    fetch(url, {
      method: "POST",
      body: JSON.stringify({ name: "m", version: 1 }),
      headers: { "content-type": "application/json" },
    });
  const answers = await Promise.all(Array.from({ length: 8 }, scan));
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(8 - refused.length);
  for (const answer of refused) {
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await answer.json()).toMatchObject({ error_code: "TEMPORARILY_UNAVAILABLE" });
  }
  expect(await busy.metric("registry_thread_tasks_refused_total")).toBe(refused.length);
  // The service works on jobs of the artifact, too, which need threads as well.
  expect(await busy.metric("registry_thread_wait_seconds_count")).toBeGreaterThanOrEqual(
    8 - refused.length,
  );
  expect(await busy.metric("registry_threads_alive")).toBe(1);
  const spent = await busy.metric("registry_thread_busy_seconds_total");
  expect(spent).toBeGreaterThan(0);
  expect(await busy.metric("registry_thread_alive_seconds_total")).toBeGreaterThan(spent);
  await expect
    .poll(() => busy.metric("registry_file_probe_seconds_count"), { timeout: 30_000 })
    .toBeGreaterThan(0);
  expect(await busy.close()).toBe(true);
});
