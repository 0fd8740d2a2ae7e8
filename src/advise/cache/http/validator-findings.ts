/** What is wrong with validators: missing, ignored, or not following the body. */
import type { HttpFinding } from "../../../core/cache-advice.ts";
import type { ResponseVariant } from "../../../core/sample.ts";
import { formatBytes } from "../../../core/units.ts";
import { readDirectives } from "./directives.ts";
import { hasValidator } from "./keeping.ts";
import { conditionalOf } from "./subject.ts";
import type { Subject } from "./subject.ts";

/** Fewer than these may be a deployment in the middle, or one answer overtaking another. */
const UNSTABLE_MIN = 2;
const UNSTABLE_SHARE_MIN = 0.01;
const IGNORED_SHARE_MIN = 0.05;

/** Of a GET with answers of status 200. */
export function validatorFindings(
  subject: Subject,
  variant: ResponseVariant,
): readonly HttpFinding[] {
  // What may not be kept needs no validator.
  if (readDirectives(variant.cacheControl).has("no-store")) return [];
  const wandering = unstable(subject);
  return [
    ...missing(subject, variant),
    // One that changes by itself cannot be honoured.
    ...(wandering.length > 0 ? [] : ignored(subject)),
    ...wandering,
    ...sharedByEncodings(subject),
  ];
}

function missing({ bytesMean }: Subject, variant: ResponseVariant): readonly HttpFinding[] {
  if (hasValidator(variant)) return [];
  return [
    {
      kind: "no-validator",
      detail: `there is neither ETag nor Last-Modified: a client that has the answer gets all of it again, ${formatBytes(bytesMean)} on average`,
      remedy:
        "send an ETag made from the body, or from the row's version, and answer If-None-Match with 304",
    },
  ];
}

function ignored(subject: Subject): readonly HttpFinding[] {
  const found: HttpFinding[] = [];
  const plain = conditionalOf(subject);
  const compared = plain.ignored + plain.notModified;
  if (plain.ignored > 0 && plain.ignored / compared >= IGNORED_SHARE_MIN) {
    found.push({
      kind: "validator-ignored",
      detail: `${plain.ignored} of ${compared} requests with the validator of an unchanged answer got 200 and the whole body again`,
      remedy: "compare If-None-Match with the ETag before the body is sent, and answer 304",
    });
  }
  const packed = subject.probe?.gzip.etag;
  if (packed && packed.ignored > 0 && packed.notModified === 0 && plain.notModified > 0) {
    found.push({
      kind: "validator-ignored",
      detail: `the ETag works for plain answers, and not for compressed ones, which browsers get: ${packed.ignored} of ${packed.sent} got 200 and the whole body again`,
      remedy:
        "accept the ETag that was sent with the compressed answer: proxies change it, to a weak one or with a suffix",
    });
  }
  return found;
}

function unstable({ facts: { validators } }: Subject): readonly HttpFinding[] {
  const found: HttpFinding[] = [];
  const same = validators.steady + validators.unstable;
  if (validators.unstable >= UNSTABLE_MIN && validators.unstable / same >= UNSTABLE_SHARE_MIN) {
    found.push({
      kind: "unstable-validator",
      detail: `${validators.unstable} of ${same} repeated answers with the same body had another ETag: clients fetch what they have`,
      remedy:
        "make the ETag from the body, or from the row's version: not from the time, a random number, or a file of one instance",
    });
  }
  if (validators.wrong > 0) {
    found.push({
      kind: "unstable-validator",
      detail: `${validators.wrong} repeated answers had another body under the same strong ETag: clients keep what is out of date`,
      remedy: "make the ETag from everything that is in the body",
    });
  }
  return found;
}

function sharedByEncodings({ probe }: Subject): readonly HttpFinding[] {
  const { compressed = 0, sameStrongEtag = 0 } = probe?.gzip ?? {};
  if (sameStrongEtag === 0) return [];
  return [
    {
      kind: "unstable-validator",
      detail: `${sameStrongEtag} of ${compressed} compressed answers have the strong ETag of the plain ones: it promises the same bytes (RFC 9110, section 8.8.3.3), and caches may join parts of the two`,
      remedy: 'send a weak ETag (W/"...") with both, or another one with the compressed answer',
    },
  ];
}
