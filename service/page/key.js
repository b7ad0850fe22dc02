// A service that has keys is asked with one. It is kept in memory: not stored, not in the address, gone with the page.
import { find } from "./element.js";
import { Failure } from "./service.js";

/** The key that the person types. Throws Failure where there is none. */
export function askForKey(words) {
  const dialog = find("key");
  find("key-error").textContent = words;
  find("key-field").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.addEventListener(
      "close",
      () => {
        const typed = find("key-field").value.trim();
        find("key-field").value = "";
        if (dialog.returnValue === "use" && typed) resolve(typed);
        else reject(new Failure(401, "Unauthorized", "This service wants a key. Reload the page to give one."));
      },
      { once: true },
    );
  });
}
