/**
 * The few elements of OpenTUI that we use, as typed functions instead of JSX: nothing has to be compiled for the
 * host's Solid, whose own copy is used at run time. A property or child that is given as a function is followed,
 * like an expression in JSX; event handlers (`on…`) and `ref` are what they are. What is made of them in every view:
 * text in a colour of the theme, dialogs, and a word in the place of what cannot be shown.
 */
import type { TuiPluginApi } from "@opencode-ai/plugin/tui";
import {
  createComponent,
  createElement,
  effect,
  insert,
  setProp,
  type BoxProps,
  type DomNode,
  type InputProps,
  type TextProps,
} from "@opentui/solid";
import { ErrorBoundary, For, Show } from "solid-js";
import type { ViewContext } from "./context.js";
import type { Tone } from "../looks.js";

/** What a component gives. */
export type Element = DomNode;
export type Child = Element | undefined | (() => Child) | readonly Child[];

type Followed<Props> = {
  [Name in keyof Omit<Props, "children" | "style">]?: Name extends `on${string}` | "ref"
    ? Props[Name]
    : Props[Name] | (() => Props[Name]);
};

/** All that an element needs to know of the host. */
type Host = Pick<ViewContext, "api">;

export function box(props: Followed<BoxProps>, ...children: Child[]): Element {
  return element("box", props, children);
}

/** One line or more of one colour. */
export function text(
  host: Host,
  content: string | (() => string),
  tone: Tone | (() => Tone),
  props: Followed<TextProps> = {},
): Element {
  const fg = () => colour(host, typeof tone === "function" ? tone() : tone);
  return element("text", { content, fg, ...props }, []);
}

export function input(props: Followed<InputProps>): Element {
  return element("input", props, []);
}

export function show(when: () => unknown, children: () => Child, fallback?: () => Child): Element {
  return createComponent(Show, {
    keyed: true,
    get when() {
      return Boolean(when());
    },
    get fallback() {
      return fallback?.();
    },
    get children() {
      return children();
    },
  });
}

export function each<Item>(
  items: () => readonly Item[],
  child: (item: Item, index: () => number) => Child,
): Element {
  return createComponent(For<readonly Item[], Child>, {
    get each() {
      return items();
    },
    children: (item, index) => child(item, index),
  });
}

/**
 * A box whose content is replaced by these words when it throws; the host's screen goes on. The box itself is always
 * the same one: the host makes a section anew, state and all, whenever what its slot was given turns into something
 * else, and would do so for ever with one that fails.
 */
export function guarded(
  host: Host,
  props: Followed<BoxProps>,
  content: () => Child,
  words: string,
  onFailure?: () => void,
): Element {
  const boundary = createComponent(ErrorBoundary, {
    fallback: () => {
      onFailure?.();
      return text(host, words, "warning");
    },
    get children() {
      return content();
    },
  });
  return box(props, boundary);
}

type Theme = TuiPluginApi["theme"]["current"];
type Colour = Theme["text"];

/** Asked for each time, so that a change of the theme is followed. */
export function colour({ api }: Host, tone: Tone): Colour {
  const theme = api.theme.current;
  const colours: Readonly<Record<Tone, Colour>> = {
    text: theme.text,
    muted: theme.textMuted,
    good: theme.success,
    warning: theme.warning,
    bad: theme.error,
    active: theme.primary,
  };
  return colours[tone];
}

const WIDEST_DIALOG = 88;
const DIALOG_MARGINS = 14;

/** Cells in one row of the host's large dialog, which is as wide as a narrow terminal. */
export function dialogWidth({ api }: Host): number {
  return Math.max(20, Math.min(WIDEST_DIALOG, api.renderer.width) - DIALOG_MARGINS);
}

/** The host's dialog of this size; each new one starts small. */
export function openDialog(host: Host, render: () => Element, onClose?: () => void): void {
  const { dialog } = host.api.ui;
  dialog.replace(() => guarded(host, {}, render, "This cannot be shown."), onClose);
  dialog.setSize("large");
}

function element(tag: string, props: object, children: readonly Child[]): Element {
  const node = createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "ref") {
      if (typeof value === "function") value(node);
    } else if (typeof value === "function" && !name.startsWith("on")) {
      effect((previous: unknown) => setProp(node, name, value(), previous));
    } else setProp(node, name, value);
  }
  for (const child of children) insert(node, child, null);
  return node;
}
