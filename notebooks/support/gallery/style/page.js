// @ts-check
// The switch for code is remembered; tables that are wider than the page say so; folds are opened for print. Without this
// script the pages can be read all the same.
const code = /** @type {HTMLInputElement | null} */ (document.getElementById("code"));
if (code) {
  try {
    code.checked = localStorage.getItem("lowrank-code") !== "hidden";
  } catch {} // no storage: the switch starts as it is
  code.addEventListener("change", () => {
    try {
      localStorage.setItem("lowrank-code", code.checked ? "shown" : "hidden");
    } catch {}
  });
}

for (const box of document.querySelectorAll(".scroll, .shiki, .cell .plot, .found .plot")) {
  const mark = () => {
    const hidden = box.scrollWidth - box.clientWidth;
    box.classList.toggle("wide", hidden > 4);
    box.classList.toggle("end", box.scrollLeft >= hidden - 4);
  };
  const sign = document.createElement("p");
  sign.className = "sign";
  sign.ariaHidden = "true";
  sign.textContent = "scroll →";
  box.after(sign);
  box.addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(mark).observe(box);
}

addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not(.code, .contents)"))
    fold.setAttribute("open", "");
});
