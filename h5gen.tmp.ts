import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
function rng(seed:number){const g=xoroshiro128plus(Math.imul(seed^0x9e3779b9,0x85ebca6b));for(let i=0;i<20;i++)g.next();const u=()=>uniformFloat64(g);return {u,n:()=>Math.sqrt(-2*Math.log(1-u()))*Math.cos(2*Math.PI*u())};}
export function series(seed:number,n:number,rho:number,shift:(i:number)=>number,heavy=false){const r=rng(seed);let x=r.n();const out:number[]=[];for(let i=0;i<n;i++){ if(i>0) x=rho*x+Math.sqrt(1-rho*rho)*r.n(); let v=x; if(heavy&&r.u()<.05) v+=r.u()*8; out.push(v+shift(i));}return out;}
