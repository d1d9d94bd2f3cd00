/** What every task carries and answers. */

/** 110 bytes as JSON. */
export const PAYLOAD = { url: "https://example.com/images/0123456789.png", width: 800, height: 600, note: "one hundred and ten bytes" };
export const ARGS = JSON.stringify(PAYLOAD);
export const RESULT = '{"ok":true}';
