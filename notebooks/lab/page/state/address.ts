/** @file Whether the page was opened by a link that sets the controls. */

/** Whether the page's address names controls, and no place in the page. */
export const hasControls = (): boolean => location.hash.includes("=");
