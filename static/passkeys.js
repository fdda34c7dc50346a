// Passkeys: a button asks the server for a challenge and the browser for its answer, and sends the form with it.
"use strict";

const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

function textOf(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// What the server writes as text is bytes to the browser.
function decoded(options) {
  const known = (list) => list?.map((each) => ({ ...each, id: bytesOf(each.id) }));
  const found = { ...options, challenge: bytesOf(options.challenge) };
  if (options.user) found.user = { ...options.user, id: bytesOf(options.user.id) };
  if (options.excludeCredentials) found.excludeCredentials = known(options.excludeCredentials);
  if (options.allowCredentials) found.allowCredentials = known(options.allowCredentials);
  return found;
}

function encoded({ id, rawId, type, response }) {
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const given = names.filter((name) => response[name]).map((name) => [name, textOf(response[name])]);
  return { id, rawId: textOf(rawId), type, response: Object.fromEntries(given), clientExtensionResults: {} };
}

async function passkey(button) {
  const { form } = button;
  const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
  const answer = await fetch(button.dataset.options, { method: "POST", headers, redirect: "error" });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const publicKey = decoded(await answer.json());
  const found = await navigator.credentials[button.dataset.passkey]({ publicKey });
  form.elements[button.dataset.field ?? "passkey"].value = JSON.stringify(encoded(found));
  // A code is not needed beside it; what a new passkey is called is.
  if (button.dataset.passkey === "get") form.noValidate = true;
  form.requestSubmit();
}

addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-passkey]");
  if (!button) return;
  const problem = button.form.querySelector("[data-passkey-problem]");
  problem.hidden = true;
  if (button.dataset.passkey === "create" && !button.form.reportValidity()) return;
  button.disabled = true;
  try {
    await passkey(button);
  } catch {
    problem.setAttribute("role", "alert");
    problem.hidden = false;
  } finally {
    button.disabled = false;
    if (!problem.hidden) button.focus(); // a button that is disabled loses it
  }
});
