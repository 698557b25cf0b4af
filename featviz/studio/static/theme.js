// Runs before the page is shown, so that a dark page never flashes white.
(() => {
  let theme = null;
  try {
    theme = JSON.parse(localStorage.getItem("featviz.theme"));
  } catch {
    // No storage: the system's choice stays.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
