// Light or dark: what the system says, until somebody says otherwise.
import { signal } from "./ui.js";

const KEY = "lathe.theme";
const read = () => {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
};

export const theme = signal(read());
const apply = () => {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
};
apply();

export const isDark = () => (theme.value ? theme.value === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

export function toggleTheme() {
  theme.value = isDark() ? "light" : "dark";
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Without storage it holds until the page is left.
  }
  apply();
}
