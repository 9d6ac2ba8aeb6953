// Figures as wide as a page of A4 while they are printed: what a browser lays out for paper, plotly does not hear of.
(() => {
  const figures = () => document.querySelectorAll(".figure.js-plotly-plot");
  addEventListener("beforeprint", () => figures().forEach(figure => {
    Plotly.relayout(figure, {width: 680, height: 380});
    figure.style.height = "380px";
  }));
  addEventListener("afterprint", () => figures().forEach(figure => {
    figure.style.height = "";
    Plotly.relayout(figure, {autosize: true, width: null, height: null});
  }));
})();
