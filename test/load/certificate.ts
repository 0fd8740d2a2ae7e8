// A certificate for 127.0.0.1 that no authority has signed but itself, made anew for every run: no key lies in the repository.
import { generateKeyPairSync, sign } from "node:crypto";

/** ASN.1 tags (X.690) that a certificate (RFC 5280) needs. */
const TAG = { integer: 2, bits: 3, octets: 4, oid: 6, utf8: 12, time: 24, sequence: 48, set: 49 };
const COMMON_NAME = "2.5.4.3";
const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

export function selfSigned(): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(
    der(TAG.set, sequence(oid(COMMON_NAME), der(TAG.utf8, Buffer.from("perfopt test")))),
  );
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const validity = sequence(
    der(TAG.time, Buffer.from("20200101000000Z")),
    der(TAG.time, Buffer.from("20991231235959Z")),
  );
  // iPAddress is the seventh choice of GeneralName, and implicit.
  const address = sequence(der(0x80 | 7, Buffer.from([127, 0, 0, 1])));
  const authority = sequence(der(1, Buffer.from([0xff])));
  const extensions = sequence(
    sequence(oid(SUBJECT_ALTERNATIVE_NAME), der(TAG.octets, address)),
    sequence(oid(BASIC_CONSTRAINTS), der(TAG.octets, authority)),
  );
  const body = sequence(
    der(0xa0, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, Buffer.from([1])),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = der(
    TAG.bits,
    Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)]),
  );
  const cert = sequence(body, algorithm, signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${cert.replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
  };
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(TAG.sequence, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const lengthBytes =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

/** The first two numbers share a byte, the others have seven bits a byte. */
function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = rest.flatMap((value) => {
    const groups = [value & 127];
    for (let left = value >> 7; left > 0; left >>= 7) groups.unshift((left & 127) | 128);
    return groups;
  });
  return der(TAG.oid, Buffer.from([first * 40 + second, ...bytes]));
}
