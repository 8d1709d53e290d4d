"""The page that shows the API's description: one file, with nothing from elsewhere."""

import base64
import hashlib

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response

from contracts.access import Role
from services._chassis.access.permit import About, needs

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { background: #8882; padding: 0 .2em; }
summary { cursor: pointer; margin: .4rem 0; }
table { border-collapse: collapse; margin: .4rem 0 1rem 1.2rem; }
td { border: 1px solid #8885; padding: .1rem .5rem; vertical-align: top; }
"""
_SCRIPT = """
"use strict";
function add(parent, name, text) {
  const element = parent.appendChild(document.createElement(name));
  if (text) element.textContent = text;
  return element;
}
function typeOf(schema) {
  const options = (schema.anyOf || [schema]).map(s => (s.$ref || "").split("/").pop() || s.type || "");
  return options.filter(Boolean).join(" | ");
}
function row(table, name, type, about) {
  const cells = add(table, "tr");
  add(add(cells, "td"), "code", name);
  add(cells, "td", type);
  add(cells, "td", about || "");
}
function show(description) {
  const main = document.querySelector("main");
  const models = (description.components || {}).schemas || {};
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const details = add(main, "details");
      const summary = add(details, "summary");
      add(summary, "code", method.toUpperCase() + " " + path);
      add(summary, "span", " " + (operation.description || operation.summary || ""));
      const table = add(details, "table");
      for (const given of operation.parameters || []) {
        const required = given.required ? " *" : "";
        row(table, given.name + required, given.in + ", " + typeOf(given.schema), given.description);
      }
      const body = ((operation.requestBody || {}).content || {})["application/json"];
      for (const name of body ? typeOf(body.schema).split(" | ") : []) {
        const model = models[name] || {};
        for (const [field, schema] of Object.entries(model.properties || {})) {
          const required = (model.required || []).includes(field) ? " *" : "";
          row(table, field + required, "body, " + typeOf(schema), schema.description);
        }
      }
    }
  }
}
fetch("openapi.json").then(answer => answer.json()).then(show)
  .catch(error => add(document.querySelector("main"), "p", "The description cannot be shown: " + error));
"""
_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Surefoot's API</title>
<style>{_STYLE}</style>
<h1>Surefoot's API</h1>
<p>From <a href="openapi.json">openapi.json</a>. What changes something is sent as <code>application/json</code>.</p>
<main></main>
<script>{_SCRIPT}</script>
</html>
"""


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY = (
    f"default-src 'none'; connect-src 'self'; script-src {_source(_SCRIPT)}; style-src {_source(_STYLE)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The browser runs this script and no other one, and asks this server and no other one."""


def add_documents(http: FastAPI, prefix: str) -> None:
    """Add the API's description under ``<prefix>/openapi.json``, and the page that shows it under ``<prefix>/docs``."""

    @http.get(f"{prefix}/openapi.json", include_in_schema=False, dependencies=[needs(Role.VIEWER, About.SOME_SERVICE)])
    async def document() -> Response:
        return JSONResponse(http.openapi())

    @http.get(f"{prefix}/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})
