// What htmx may do and how long it waits. It has run, and begins when the document is there.
"use strict";

Object.assign(htmx.config, {
  "allowEval": false,
  "allowScriptTags": false,
  "attributesToSettle": [],
  "defaultSettleDelay": 0,
  "historyCacheSize": 0,
  "includeIndicatorStyles": false,
  "refreshOnHistoryMiss": true,
  "responseHandling": [
    {"code": "204", "swap": false},
    {"code": "[23]..|409|422", "swap": true},
    {"code": "[45]..", "swap": true, "error": true}
  ],
  "selfRequestsOnly": true,
  "timeout": 20000
});

// Trusted Types: no text becomes markup but what the server has just answered, once, as htmx parses it.
{
  const withoutHead = (text) => text.replace(/<head(\s[^>]*)?>[\s\S]*?<\/head>/i, "");
  let answer = null;

  addEventListener("htmx:beforeSwap", ({ detail }) => { answer = withoutHead(detail.serverResponse ?? ""); });
  // It may hold a value that is shown once, so it is not kept.
  addEventListener("htmx:afterRequest", () => { answer = null; });

  globalThis.trustedTypes?.createPolicy("default", {
    createHTML(text) {
      const forms = [answer, `<body><template class="internal-htmx-wrapper">${answer}</template></body>`];
      const isAnswer = answer !== null && forms.includes(withoutHead(text));
      answer = null;
      return isAnswer ? text : null;
    }
  });
}
