/**
 * What a running process is told when its tables are not there any more. A step of the schema that no older process may live through renames
 * a table: each call of theirs is refused from that commit on, whatever they had been about to write.
 */
export function tableGone(place: string): readonly ["STORAGE_NOT_FOUND", string] {
  const remedy = "if a newer OmniQ has made them anew, start this process again with that version";
  return ["STORAGE_NOT_FOUND", `Expected the tables of OmniQ in ${place}, but one is gone: ${remedy}`];
}
