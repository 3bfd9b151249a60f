#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// A streamed loop with tools, by Anthropic's interface and nothing but Node 18: anthropic.mjs [QUESTION]
import { events } from "./sse.mjs";

const base = process.env.ANTHROPIC_BASE_URL ?? "http://localhost:8000";
const key = process.env.ANTHROPIC_API_KEY ?? "any";  // AUTH_TOKEN, where the proxy has one
const tools = [{
  name: "get_weather", description: "The weather of a city.",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}];
const getWeather = ({ city }) => `-4 °C and snow in ${city}`;

/** One turn: shows its text as it comes, and gives its blocks. */
async function turn(messages) {
  const response = await fetch(`${base}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key, "anthropic-version": "2023-06-01" },
    body: JSON.stringify({ model: "claude-sonnet-5-5", max_tokens: 1000, stream: true, tools, messages }),
  });
  const blocks = [];
  for await (const event of events(response)) {
    if (event.type === "content_block_start") {
      blocks[event.index] = { ...event.content_block, json: "" };
    } else if (event.type === "content_block_delta") {
      const block = blocks[event.index];
      if (event.delta.type === "text_delta") {
        block.text += event.delta.text;
        process.stdout.write(event.delta.text);
      } else if (event.delta.type === "input_json_delta") {
        block.json += event.delta.partial_json;
      }
    }
  }
  return blocks.map(({ json, ...block }) => (block.type === "tool_use" ? { ...block, input: JSON.parse(json || "{}") } : block));
}

const messages = [{ role: "user", content: process.argv.slice(2).join(" ") || "Do I need a coat in Oslo, and in Bergen?" }];
for (;;) {
  const content = await turn(messages);
  const calls = content.filter((block) => block.type === "tool_use");
  process.stdout.write("\n");
  if (calls.length === 0) break;
  messages.push({ role: "assistant", content }, {
    role: "user", content: calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: getWeather(call.input) })),
  });
}
