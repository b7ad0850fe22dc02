// Light or dark: as the system has it, until the person says otherwise. It stays for this page alone.
import { find } from "./element.js";

const system = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

/** `changed()` is called after each change: pictures that the service colours are asked for again. */
export function listenForTheme(changed) {
  const button = find("theme");
  const tell = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    changed();
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  button.textContent = isDark() ? "Light" : "Dark";
}
