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
