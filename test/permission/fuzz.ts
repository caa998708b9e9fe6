/** Commands made of a grammar: plain statements, and odd pieces put into some of them. */

export const MARKERS = ["aa", "bb", "cc", "zz"] as const;

type Random = () => number;

/** Each starts a marker, changes what a later word means, or is read differently by some shell. */
const ODD: readonly string[] = [
  ..."$\\\n(zz)|$((|))|$[|a[$(zz)]|'x[$(zz)]'|$'\\'|$'zz'|\"$@\"|${a@P}|${!a}|${(e)a}|${a:=zz}|${a[1]}|${#a}|$a|$a[1]|$#a|=zz|=(zz)|{zz}|$a:F:b:h|\"$a\\\n[b]\"|\"$?:h:F:b:h\"".split(
    "|",
  ),
  ..."<(zz)@>(zz)@&> f @&>> f @|& zz@&| zz@&! zz@>! f @>| f @<> f @<<< zz @<1-3>f @{fd}>f @12>f @>&f @2>&1 @<&- @*(e:zz:)@?(a|b)@**@~zz@~+".split(
    "@",
  ),
  ...'`zz`@`echo \\`zz\\``@"`zz`"@"$(zz)"@\\\n@\\\nzz@\r\n@\r@\f@\u00a0@\u200b@#zz@ # zz@;zz@;;@;& zz@;| zz@!@! zz@ ! @{ zz; }@{ zz }@} zz@(zz)@((zz))@zz()@aa() { zz; }\n'.split(
    "@",
  ),
  ..."eval zz;@bash +x -c zz;@zsh +e -c 'zz';@cd /dev; sh stdin;@cp f g; sh g;@mv f g; . ./g;@echo zz > f;@echo zz > ~/.zshenv;@zsh -c :;@> /dev/$a;@{zz};@command zz;@command eval zz;@builtin eval zz;@time zz;@time -p eval zz;@jobs -x zz;@trap zz EXIT;@trap 'zz' DEBUG;@alias aa=zz\n@shopt -s expand_aliases\n@setopt ksharrays;@set -- zz;@set -x;@PS4='$(zz)';@IFS=a;@a=zz;@a='x[$(zz)]';@A='$(zz)';@RANDOM='x[$(zz)]';@typeset -i a;@declare -n a=A;@local a;@integer a;@read a;@printf -v a zz;@printf %d 'x[$(zz)]';@printf $a;@let a;@[ -v 'x[$(zz)]' ];@[ $a ];@[ \"$a\" -eq 1 ];@[[ $a -eq 1 ]];@[[ -v a ]];@test $a;@unset 'a[$(zz)]';@export a='$(zz)';@export $a;@coproc zz;@select a in zz;@repeat 1 zz;@noglob zz;@- zz;@hash aa=zz;@env zz;@env -S zz;@env A=$a zz;@sh -c zz;@sh -c \"$a\";@bash -c 'zz';@zsh -c 'zz';@. ./f;@source ./f;@$a;@\"$a\";@${a:-zz};@$(echo zz);@z''z;@z\\z;@\"zz\";@'z'z;@chpwd() { zz; };@TRAPEXIT() { zz; };@aa &&@aa |@if@then zz@fi@do zz@done@esac@in@case@function@foreach@cd .;@pushd .;@wait -p 'x[$(zz)]';@exit 'x[$(zz)]';@return;@a+=zz;@a=(zz);@a[1]=zz;@\nzz\n".split(
    "@",
  ),
  "<<E\n$(zz)\nE\n",
  "<<'E'\n$(zz)\nE\n",
  "<<-E\n\t$(zz)\n\tE\n",
  "<<E\\\nF\nzz\nE\n",
  "<<E <<F\na\nE\nzz\nF\n",
  "'",
  '"',
  "`",
  "\\",
  "$",
];

/** A command of the plain grammar; one in three is left as it is. */
export function oddCommand(random: Random): string {
  function pick<T>(list: readonly T[]): T {
    const found = list[Math.floor(random() * list.length)];
    if (found === undefined) throw new Error("a list without items");
    return found;
  }
  const marker = (): string => pick(["aa", "bb", "cc"]);
  const word = (depth: number): string =>
    pick([
      () => pick(["a", "-x", "x.y", "a=b", "a#b", "./a", "@{u}", "é", "%1", "a^", "1-3"]),
      () =>
        pick([
          "'a b'",
          "'$(zz)'",
          "'`zz`'",
          '"a b"',
          '"it\'s"',
          "a\\ b",
          "\\;",
          "\\$a",
          '"\\$(zz)"',
        ]),
      () =>
        pick(["$a", '"$a"', "${a}", "$1", '"$@"', "$?", "$#", "$$", "${a:-b}", '"${a%.x}"', "$!"]),
      () => pick(["*", "?x", "[ab]*", "{a,b}", "{1..3}", "~/x", "{}"]),
      () => `$(${statements(depth + 1)})`,
      () => `"$(${statements(depth + 1)})"`,
      () => `\`${marker()} a\``,
    ])();
  const words = (depth: number) =>
    Array.from({ length: Math.floor(random() * 3) }, () => ` ${word(depth)}`).join("");
  const redirect = () =>
    pick([
      "",
      "",
      "",
      " > f",
      " >> f",
      " 2>&1",
      " < /dev/null",
      ' > "$a"',
      " 2> f",
      " <<'E'\nzz $(zz)\nE\n",
      " <<E\n$a\nE\n",
    ]);
  const simple = (depth: number) =>
    `${pick(["", "", "", "A=1 ", "PORT=1 "])}${pick([marker, marker, () => "echo", () => "env aa", () => "sh -c 'bb a'", () => "time cc", () => "command aa"])()}${words(depth)}${redirect()}`;
  const end = (text: string) => (text.endsWith("\n") ? "" : "; ");
  const statement = (depth: number): string => {
    if (depth > 2) return depth > 4 ? marker() : simple(depth);
    const inner = () => statements(depth + 1);
    const block = () => {
      const text = inner();
      return text + end(text);
    };
    return pick([
      () => simple(depth),
      () => simple(depth),
      () => simple(depth),
      () => `${simple(depth)} | ${marker()}`,
      () => `! ${simple(depth)}`,
      () => `(${inner()})`,
      () => `{ ${block()}}`,
      () => `if ${block()}then ${block()}else ${block()}fi`,
      () => `for a in a b; do ${block()}done`,
      () => `while ${block()}false; do ${block()}done`,
      () => `case ${word(depth)} in a|b*) ${inner()};; *) ${inner()};; esac`,
      () => `f() { ${block()}}; f`,
      () =>
        pick([
          `[ -n "$a" ]`,
          "[ $# -eq 0 ]",
          "[[ $a == b* ]]",
          "test a = b",
          "set -e",
          "a=b",
          "a=$(aa)",
          "cd .",
          "export A=1",
        ]),
    ])();
  };
  const statements = (depth: number): string => {
    let text = statement(depth);
    while (random() < 0.3) {
      const separator = text.endsWith("\n")
        ? ""
        : pick(["; ", " && ", " || ", "\n", " & ", " # c\n"]);
      text += separator + statement(depth);
    }
    return text;
  };
  let text = statements(0);
  const odd = random() < 1 / 3 ? 0 : 1 + Math.floor(random() * 3);
  for (let count = 0; count < odd; count++) {
    const places = [...text.matchAll(/\b|[ \n;]/g)].map(({ index }) => index);
    const at = random() < 0.3 ? 0 : pick([0, ...places]);
    text = text.slice(0, at) + pick(["", " "]) + pick(ODD) + pick(["", " "]) + text.slice(at);
  }
  return text;
}
