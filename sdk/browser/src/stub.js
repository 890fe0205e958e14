// Put inline above the tag of the script: gives the page the calls themselves before the script has
// loaded, and keeps the time at which they were made. `data-key` and the like stay on the tag.

((queue) => {
  for (const name of ["track", "page", "identify", "group", "alias", "set", "reset", "consent"]) {
    queue[name] = (/** @type {unknown[]} */ ...args) => queue.push(Object.assign([name, ...args], { when: Date.now() }));
  }
})((window.trackway = window.trackway || []));
