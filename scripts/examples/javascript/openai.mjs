#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// A streamed loop with tools, by OpenAI's interface and nothing but Node 18: openai.mjs [QUESTION]
import { events } from "./sse.mjs";

const base = process.env.OPENAI_BASE_URL ?? "http://localhost:8000/openai/v1";
const key = process.env.OPENAI_API_KEY ?? "any";  // AUTH_TOKEN, where the proxy has one
const tools = [{
  type: "function",
  function: {
    name: "get_weather", description: "The weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
}];
const getWeather = ({ city }) => `-4 °C and snow in ${city}`;

/** One turn: shows its text as it comes, and gives the message. */
async function turn(messages) {
  const response = await fetch(`${base}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "claude-sonnet-5-5", stream: true, tools, messages }),
  });
  const message = { role: "assistant", content: "" };
  for await (const chunk of events(response)) {
    const delta = chunk.choices[0]?.delta ?? {};
    message.content += delta.content ?? "";
    process.stdout.write(delta.content ?? "");
    for (const { index, ...call } of delta.tool_calls ?? []) {
      message.tool_calls ??= [];
      if (message.tool_calls[index]) message.tool_calls[index].function.arguments += call.function.arguments;
      else message.tool_calls[index] = call;
    }
  }
  return message;
}

const messages = [{ role: "user", content: process.argv.slice(2).join(" ") || "Do I need a coat in Oslo, and in Bergen?" }];
for (;;) {
  const message = await turn(messages);
  process.stdout.write("\n");
  messages.push(message);
  if (!message.tool_calls) break;
  for (const call of message.tool_calls) {
    messages.push({ role: "tool", tool_call_id: call.id, content: getWeather(JSON.parse(call.function.arguments || "{}")) });
  }
}
