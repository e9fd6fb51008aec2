// What scrolls sideways can be scrolled by keyboard: tables are wrapped while the page loads.
const reach = () => {
  for (const part of document.querySelectorAll(".md-typeset__scrollwrap, p:has(> .figure)")) {
    part.tabIndex = part.scrollWidth > part.clientWidth ? 0 : -1;
  }
};
new MutationObserver(reach).observe(document.body, { childList: true, subtree: true });
addEventListener("load", reach);
addEventListener("resize", reach);
