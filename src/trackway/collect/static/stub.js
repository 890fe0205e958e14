(a=>{for(let n of["track","page","identify","group","alias","set","reset","consent"])a[n]=(...t)=>a.push(Object.assign([n,...t],{when:Date.now()}))})(window.trackway=window.trackway||[]);
