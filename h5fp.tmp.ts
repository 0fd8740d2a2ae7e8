import { changePoints } from "./src/decide/change-points.ts";
import { series } from "./h5gen.tmp.ts";
const S=Number(process.argv[2]??200), opts=JSON.parse(process.argv[3]??"{}");
for (const [rho,heavy] of [[0,false],[0,true],[.3,false],[.5,false],[.8,false]] as const) { const row=[];
 for (const n of [12,30,100,300]) {
  for (const o of [{...opts}]) { let any=0,total=0; for(let s=0;s<S;s++){const f=changePoints(series(s*31+n,n,rho,()=>0,heavy),{compare:"difference",seed:s,...o}); if(f.length)any++; total+=f.length;} row.push(`n${n} ${(any/S*100).toFixed(1)}% (${(total/S).toFixed(2)})`);}}
  console.log("rho",rho,heavy?"heavy":"",row.join("  "));
 }
for (const n of [12,30,100]) { const row=[]; for (const d of [1,2,3,5]) { const at=Math.round(n*2/3); let hit=0; for(let s=0;s<S;s++){const f=changePoints(series(s*31+n,n,0,i=>i>=at?d:0),{compare:"difference",seed:s,...opts}); if(f.some(x=>Math.abs(x.index-at)<=2))hit++; } row.push(`d${d} ${(hit/S*100).toFixed(0)}%`);} console.log("step n",n,row.join(" ")); }
for (const w of [5,8,15,30]) {const row=[]; for (const d of [1,2,3,5]) { let hit=0; for(let s=0;s<S;s++){const f=changePoints(series(s*31,200,0,i=>i>=100&&i<100+w?d:0),{compare:"difference",seed:s,...opts}); if([100,100+w].every(at=>f.some(x=>Math.abs(x.index-at)<=2)))hit++;} row.push(`d${d} ${(hit/S*100).toFixed(0)}%`);} console.log("bump",w,row.join(" "));}
for (const k of [3,4,5,8]) { const row=[]; for (const d of [2,3,5]) { let hit=0; for(let s=0;s<S;s++){const f=changePoints(series(s*31,50+k,0,i=>i>=50?d:0),{compare:"difference",seed:s,...opts}); if(f.some(x=>Math.abs(x.index-50)<=2))hit++;} row.push(`d${d} ${(hit/S*100).toFixed(0)}%`);} console.log("fresh",k,row.join(" ")); }
