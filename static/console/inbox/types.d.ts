// The state of the console. Declarations only: a browser never loads this file.

import type { MessageData, Messages, NoteFrame, Row } from "../../chat/frames.d.ts";

/** A conversation opened on this screen. */
export interface ConsoleThread {
  row: Row;
  notes: NoteFrame[];
  /** The first page begins after this seq. */
  after: number;
  /** In order and without gaps. The first of these messages may have a seq above 1. */
  messages: MessageData[];
  /** Messages that arrived although earlier ones are still missing. */
  ahead: MessageData[];
  isLoaded: boolean;
  /** Values of placeholders in this conversation. */
  values: Record<string, string>;
}

export interface ConsoleState {
  me: { id: number; number: string; sees_all: boolean; departments: number[]; barred: number[] };
  presence: string;
  rows: Record<string, Row>;
  /** Number of waiting conversations that `rows` does not hold. */
  unlistedCount: number;
  /** Whether `unlistedCount` may be wrong, so that the lists must be requested again. */
  isQueueUncertain: boolean;
  threads: Record<string, ConsoleThread>;
  /** The newest known edition of the published knowledge. */
  edition: number;
  /** By conversation, the time (ms) until which its visitor counts as typing. */
  typing: Record<string, number>;
}

/** The state that the page contains: console/inbox/initial_state.py. */
export interface ConsoleInitialState {
  me: ConsoleState["me"];
  departments: Record<string, string>;
  rows: Row[];
  waiting_count: number;
  presence: string;
  open: string;
}

/** The server's answer when a conversation is opened: `thread` in console/inbox/thread_views.py. */
export interface OpenedThread {
  row: Row;
  notes: NoteFrame[];
  values: Record<string, string>;
  /** A page of messages if the conversation is closed; otherwise they arrive over the socket. */
  messages: Messages | null;
}
