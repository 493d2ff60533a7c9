/** The part of htmx that our scripts call; the page loads it as a script of its own. */
declare const htmx: {
  swap(target: string, content: string, how: { swapStyle: string }): void;
};
