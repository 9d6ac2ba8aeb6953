// Draws every figure of the page for a light or a dark page, as the reader prefers, and for paper.
"use strict";
(() => {
  const read = element => JSON.parse(element.textContent);
  const figures = [...document.querySelectorAll("script.figure")].map(element => [element.previousElementSibling, read(element)]);
  const dark = read(document.getElementById("dark-colours"));
  const preference = matchMedia("(prefers-color-scheme: dark)");
  const onPaper = {width: 680, height: 400};

  // Texts of people may name a colour; only what is one, or a style, is changed.
  const turned = value => {
    if (typeof value === "string")
      return /^#[0-9a-f]{6}$/i.test(value) || value.includes("style=")
        ? value.replace(/#[0-9a-f]{6}/gi, colour => dark[colour.toLowerCase()] ?? colour)
        : value;
    if (Array.isArray(value)) return value.map(turned);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, turned(each)]));
  };

  const draw = (isDark, size) => {
    for (const [place, figure] of figures) {
      const {data, layout} = isDark ? turned(figure) : structuredClone(figure);
      const config = {displaylogo: false, plotGlPixelRatio: 1, responsive: !size};
      Plotly.react(place, data, {...layout, ...size}, config);
    }
  };

  draw(preference.matches);
  preference.addEventListener("change", () => draw(preference.matches));
  addEventListener("beforeprint", () => draw(false, onPaper));
  addEventListener("afterprint", () => draw(preference.matches));
})();
