/** A fence that the text itself does not contain. */
function fence(text: string): string {
  let marks = "```";
  while (text.includes(marks)) marks += "`";
  return marks;
}

/** The system text as a block in front of a prompt. */
export function createPreamble(systemAppend: string): string {
  const marks = fence(systemAppend);
  return `${marks}canopy-context\n${systemAppend}\n${marks}\n\n`;
}
