import { changePoints } from "./src/decide/change-points.ts";
import { splitStatistics } from "./src/decide/change-points-energy.ts";
import { series } from "./h5gen.tmp.ts";
import { readFileSync } from "node:fs";
for (const n of [200,600,5000]) { const x=Float64Array.from(series(1,n,0,()=>0)); const t=performance.now(); const k=n>1000?50:500; for(let i=0;i<k;i++) splitStatistics(x,3); console.log("q",n,((performance.now()-t)/k*1000).toFixed(0)+"us"); }
for (const [n,d,w] of [[200,0,0],[200,5,8],[200,5,15],[200,5,30],[600,3,60],[5000,0,0],[5000,3,300]] as const) { const t=performance.now(); const f=changePoints(series(5,n,0,i=>i>=100&&i<100+w?d:0),{compare:"difference"}); console.log(n,d,w,f.map(x=>x.index+":"+x.p).join(" "),(performance.now()-t).toFixed(0)+"ms"); }
for (const f of ["prof_small","prof_medium"]) {
  const d = JSON.parse(readFileSync(`/work/shared/data/gate/${f}.json`,"utf8"));
    const t=performance.now();
    const r = changePoints(d.series,{compare:"ratio"});
    console.log(r.length, r.map(x=>x.index).join(" "), (performance.now()-t).toFixed(0)+"ms");
}
