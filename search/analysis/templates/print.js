// Figures as wide as a page of A4 while they are printed: what a browser lays out for paper, plotly does not hear of.
(() => {
  const figures = () => document.querySelectorAll(".figure.js-plotly-plot");
  addEventListener("beforeprint", () => figures().forEach(figure => {
    figure.dataset.height = figure.style.height;  // that of a figure with many rows
    const height = parseInt(figure.style.height) || 380;
    Plotly.relayout(figure, {width: 680, height});
    figure.style.height = `${height}px`;
  }));
  addEventListener("afterprint", () => figures().forEach(figure => {
    figure.style.height = figure.dataset.height;
    Plotly.relayout(figure, {autosize: true, width: null, height: parseInt(figure.dataset.height) || null});
  }));
})();
