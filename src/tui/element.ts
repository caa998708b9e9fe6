/**
 * The few elements of OpenTUI that we use, as typed functions instead of JSX: nothing has to be compiled for the
 * host's Solid, whose own copy is used at run time. A property or child that is given as a function is followed,
 * like an expression in JSX; event handlers (`on…`) and `ref` are what they are.
 */
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

/** What a component gives. */
export type Element = DomNode;
export type Child = Element | undefined | (() => Child) | readonly Child[];

type Followed<Props> = {
  [Name in keyof Omit<Props, "children" | "style">]?: Name extends `on${string}` | "ref"
    ? Props[Name]
    : Props[Name] | (() => Props[Name]);
};

export function box(props: Followed<BoxProps>, ...children: Child[]): Element {
  return element("box", props, children);
}

/** One line or more of one colour; `content` is its text. */
export function text(props: Followed<TextProps>): Element {
  return element("text", props, []);
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

/** What throws below it is replaced by the fallback; the host's screen goes on. */
export function guard(children: () => Child, fallback: (error: unknown) => Child): Element {
  return createComponent(ErrorBoundary, {
    fallback: (error: unknown) => fallback(error),
    get children() {
      return children();
    },
  });
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
