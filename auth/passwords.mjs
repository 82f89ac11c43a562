// What a new password must be. One that an account has already is not judged.

import { dictionary } from "@zxcvbn-ts/language-common";

export const minPassword = 10; // in UTF-16 units, as Better Auth counts
export const maxPassword = 128;

// The 49,000 that are found most often where passwords were stolen, the 10,000 commonest first; in small letters.
const common = new Set(dictionary["passwords-common"].filter((p) => p.length >= minPassword));

export const isCommon = (password) => common.has(password.normalize("NFKC").toLowerCase());

// Returns the new password that a call of Better Auth brings, or undefined.
export function newPassword(path, body) {
  const password = path === "/sign-up/email" ? body?.password : body?.newPassword;

  return typeof password === "string" ? password : undefined;
}
