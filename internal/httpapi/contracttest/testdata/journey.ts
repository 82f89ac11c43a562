// A customer's program: signs up, in, and sends every example of the contract, with the types that the contract gives.
//   node journey.js <origin> join
//   node journey.js <origin> use
// Between the two the address is verified. Every answer has to be the one that is named here.
import createClient from "openapi-fetch";

import { examples } from "./examples.js";
import type { paths } from "./schema.js";

declare const process: { argv: string[] };

const [origin = "", step] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl: origin });
const used = new Set<string>();

function example<K extends keyof typeof examples>(name: K): (typeof examples)[K] {
  used.add(name);
  return examples[name];
}

// want returns the answer's data if its status is the right one.
function want<T>(status: number, answer: { response: Response; data?: T; error?: unknown }): T {
  if (answer.response.status === status) return answer.data as T;
  throw new Error(`${answer.response.url} answered ${answer.response.status}: ${JSON.stringify(answer.error)}`);
}

async function join() {
  want(200, await api.POST("/api/auth/sign-up/email", { body: example("signUp") }));
  want(200, await api.POST("/api/auth/send-verification-email", { body: example("sendVerificationEmail") }));

  const early = await api.POST("/api/auth/sign-in/email", { body: example("signIn") });
  want(403, early);
  if (!early.error || !("message" in early.error) || early.error.code !== "EMAIL_NOT_VERIFIED") throw new Error("the refusal has no code");
}

async function use() {
  const signedIn = await api.POST("/api/auth/sign-in/email", { body: example("signIn") });
  want(200, signedIn);
  const session = { Authorization: `Bearer ${signedIn.response.headers.get("Set-Auth-Token")}` };
  if (!want(200, await api.GET("/api/auth/get-session", { headers: session }))) throw new Error("the bearer token opens nothing");
  if (want(200, await api.GET("/api/auth/list-sessions", { headers: session })).length !== 1) throw new Error("there is one session");

  const made = want(201, await api.POST("/v1/api_keys", { headers: session, body: example("createAPIKey") }));
  api.use({
    onRequest: ({ request }) => {
      if (!request.headers.has("Authorization")) request.headers.set("Authorization", `Bearer ${made.secret}`);
      return request;
    },
  });

  want(200, await api.GET("/v1/models"));
  want(200, await api.GET("/v1/models/{id}", { params: { path: { id: "flux-dev" } } }));
  want(200, await api.GET("/v1/me"));
  want(200, await api.POST("/v1/estimates", { body: example("estimateGeneration") }));
  const first = want(202, await api.POST("/v1/generations", { body: example("submitGeneration_smallest") }));
  want(202, await api.POST("/v1/generations", { body: example("submitGeneration_detailed") }));

  const batch = want(200, await api.POST("/v1/generations/batch", { body: example("submitGenerations") }));
  if (batch.refused !== 0 || batch.data[1]?.generation?.status === undefined) throw new Error(`${batch.refused} of the batch were refused`);

  const path = { id: first.id };
  want(202, await api.POST("/v1/generations/{id}/remix", { params: { path } }));
  want(202, await api.POST("/v1/generations/{id}/remix", { params: { path }, body: example("remixGeneration_again") }));
  want(202, await api.POST("/v1/generations/{id}/remix", { params: { path }, body: example("remixGeneration_better") }));
  want(200, await api.PUT("/v1/generations/{id}/favourite", { params: { path } }));

  const ended = want(200, await api.GET("/v1/generations/{id}", { params: { path, header: { Prefer: "wait=30" } } }));
  const image = ended.images[0];
  if (ended.status !== "succeeded" || !image?.url) throw new Error(`it is ${ended.status}`);

  const listed = want(200, await api.GET("/v1/generations", { params: { query: { status: ["succeeded", "running"], limit: 5 } } }));
  if (!listed.data.some((g) => g.id === first.id)) throw new Error("it is not in the list");

  want(200, await api.POST("/v1/generations/cancel", { body: example("cancelGenerations_some") }));
  want(200, await api.POST("/v1/generations/cancel", { body: example("cancelGenerations_waiting") }));
  want(200, await api.POST("/v1/generations/delete", { body: example("deleteGenerations") }));
  want(201, await api.POST("/v1/uploads", { body: example("createUpload") }));
  want(200, await api.GET("/v1/uploads"));

  const sold = want(200, await api.GET("/v1/products")).data.length > 0;
  want(sold ? 201 : 404, await api.POST("/v1/checkouts", { headers: session, body: example("beginCheckout") }));
  want(404, await api.POST("/v1/orders/{id}/withdrawal", { headers: session, params: { path: { id: "ord_1" } }, body: example("declareWithdrawal") }));
  want(404, await api.POST("/v1/subscriptions/{id}/change", { headers: session, params: { path: { id: "sub_1" } }, body: example("changeSubscription") }));

  const refused = await api.POST("/v1/generations", { body: { model: "z-image-turbo", prompt: " " } });
  want(422, refused);
  if (refused.error?.code !== "validation_failed") throw new Error("the refusal has another code");

  want(200, await api.POST("/api/auth/request-password-reset", { body: example("requestPasswordReset") }));
  want(400, await api.POST("/api/auth/reset-password", { body: example("resetPassword") }));
  want(200, await api.POST("/api/auth/revoke-session", { headers: session, body: example("revokeSession") }));

  const changed = await api.POST("/api/auth/change-password", { headers: session, body: example("changePassword") });
  want(200, changed);
  want(401, await api.GET("/v1/models"));
  want(200, await api.POST("/api/auth/sign-out", { headers: { Authorization: `Bearer ${changed.response.headers.get("Set-Auth-Token")}` } }));

  const left = Object.keys(examples).filter((name) => !used.has(name) && name !== "signUp" && name !== "sendVerificationEmail");
  if (left.length) throw new Error(`not sent: ${left}`);
}

await (step === "join" ? join() : use());
