/** Index advisor: proposes the set of indexes that the planner expects most of, and then the best one alone. */
import { adviseObserved } from "../advise/indexes/observed.ts";
import { indexTrials } from "../advise/indexes/trials.ts";
import type { IndexAdvice } from "../core/advice.ts";
import type { Ask, Step } from "../core/observation.ts";
import { done, erase, propose, trialsOf, wasTried } from "./tuner.ts";

export const indexAdvisor = erase<IndexAdvice>({
  id: "index-advisor",
  title: "Index advisor",
  rationale:
    "An index helps where a slow statement reads many rows to return few, or sorts what an index could return in order. It cannot help " +
    "small tables or statements that need most rows anyway, and every index makes writes dearer.",
  roles: [],
  observe: (view) => adviseObserved(view.database, view.statements),
  next,
});

function next({ observation: advice, history, candidatesMax }: Ask<IndexAdvice>): Step {
  const trials = trialsOf(history);
  const wanted = indexTrials(advice, trials.at(-1)?.decision.verdict === "keep");
  if (typeof wanted === "string") return done(wanted);
  if (trials.length >= candidatesMax) return done("the candidates are used up");
  const untried = wanted.find(({ changes }) => !wasTried(history, changes));
  return untried
    ? propose("index-advisor", history, untried)
    : done("the whole set and the best index alone were tried");
}
