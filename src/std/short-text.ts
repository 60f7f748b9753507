/**
 * The first `limit` characters. Of a longer text a copy: a part of it would keep all of it in memory (V8 makes a slice a view), and a
 * name of a megabyte is what somebody sends who wants that.
 */
export function shortText(text: string, limit: number): string {
  return text.length <= limit ? text : structuredClone(text.slice(0, limit));
}
