/**
 * What `unbash` reads and the room does not take from it: it is laxer than the shells, or reads what they read
 * differently. Each command is opaque in the shells named, and the same without the odd part is plain.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeCommand } from "../../src/permission/judge.js";
import { Opaque } from "../../src/permission/words.js";

const ALL = ["bash", "zsh", "sh"];
const ODD: readonly (readonly [odd: string, plain: string, shells?: readonly string[]])[] = [
  ["{ a; }b", "{ a; }; b"],
  ["echo $a[1]", "echo ${a}"],
  ["echo $ax\u00e9", "echo ${ax}\u00e9"],
  ["echo $#a", "echo ${a}"],
  ["echo $10", "echo $1"],
  ['echo `a "b"`', "echo `a b`"],
  ["echo `a # b`", "echo `a b`"],
  ["echo `a \\`b\\``", "echo $(a $(b))"],
  ["echo $; ls", "echo '$'; ls"],
  ["((a); (b))", "( (a); (b))"],
  ["echo $((a); b)", "echo $( (a); b)"],
  ["echo a 12>f", "echo a 2>f"],
  ["echo a {fd}>f", "echo a >f"],
  ["sleep 1 &b", "sleep 1 & b"],
  ["echo a\\\nb", "echo a \\\n b"],
  ["echo a \\\n# b", "echo a # b"],
  ["(# a\nb)", "( # a\nb)"],
  ["echo $'a'", "echo 'a'"],
  ["echo =a", "echo '=a'", ["zsh"]],
  ["a |& b", "a 2>&1 | b"],
  ["a &> f", "a > f 2>&1", ["sh"]],
  ["[[ a == b ]]", "[ a = b ]", ["sh"]],
  ["> f", ": > f", ["zsh"]],
  ["echo }", "echo '}'"],
  ["echo a{b,$c}", "echo a{b,c}"],
  ["a=1 b+=2 c", "a=1 b=2 c"],
  ["f() ls; f", "f() { ls; }; f"],
  ["function f { ls; }; f", "f() { ls; }; f"],
  ["time (a)", "time a"],
  ["for a; do b; done", "for a in c; do b; done"],
  ["case a in b) c;& d) e;; esac", "case a in b) c;; d) e;; esac"],
  ["cat <<E $(a\n)\nb\nE", "cat <<E $(a)\nb\nE"],
  ["cat <<E\na\\\nE\nE", "cat <<'E'\na\\\nE"],
  ["cat <<E'F'\na\nEF", "cat <<'EF'\na\nEF"],
  ["cat <<E\n$(a <<F; b\nF\n)\nE", "cat <<E\n$(a)\nE"],
  ["echo $(if a <<E; then b; fi\nE\n)", "echo $(a <<E\nE\n)"],
  ["echo a\u00a0b", "echo 'a\u00a0b'"],
  ["echo a\u200bb", "echo 'a\u200bb'"],
  ["find . {-name,-exec,a} \\;", "find . -name a"],
  ["find . -name $X", 'find . -name "$X"'],
  ["xargs -I% sh -c %", "xargs -I{} sh -c 'a'"],
  ["nice -n 5 -- -x", "nice -n 5 -- x"],
];

function isPlain(command: string, shell: string): boolean {
  try {
    judgeCommand(command, shell);
    return true;
  } catch (error) {
    if (error instanceof Opaque) return false;
    throw error;
  }
}

void describe("what a parser reads and shells do not, or not alike", () => {
  for (const [odd, plain, shells = ALL] of ODD) {
    void it(JSON.stringify(odd), () => {
      for (const shell of ALL) {
        if (shells.includes(shell)) assert.equal(isPlain(odd, shell), false, shell);
        else assert.equal(isPlain(odd, shell), true, shell);
        assert.equal(isPlain(plain, shell), true, `${shell}: ${plain}`);
      }
    });
  }
});
