// What "always allow" covers: the part of a command that names what it does, then anything. `git
// push origin` becomes `git push *`. Promises: never a suggestion that would cover more than that
// command, so none at all for a name that is itself a wildcard.

const TWO_WORDS = new Set(
  (
    "bazel brew bun cargo cdk cf cmake composer consul crictl deno docker eksctl firebase flyctl git go gradle " +
    "helm heroku hugo ip kind kubectl kustomize make mc minikube mongosh mysql mvn ng npm nvm nx openssl pip " +
    "pipenv pnpm podman poetry psql pulumi pyenv python rake rbenv redis-cli rustup serverless skaffold sls sst " +
    "swift systemctl terraform tmux turbo ufw vault vercel volta wp yarn"
  ).split(" "),
);

const THREE_WORDS = new Set(
  (
    "aws,az,doctl,gcloud,gh,sfdx,bun run,bun x,cargo add,cargo run,consul kv,deno task,docker builder," +
    "docker compose,docker container,docker image,docker network,docker volume,eksctl create,git config," +
    "git remote,git stash,ip addr,ip link,ip netns,ip route,kind create,kubectl kustomize," +
    "kubectl rollout,mc admin,npm exec,npm init,npm run,npm view,openssl req,openssl x509,pnpm dlx," +
    "pnpm exec,pnpm run,podman container,podman image,pulumi stack,terraform workspace,vault auth," +
    "vault kv,yarn dlx,yarn run"
  ).split(","),
);

/** @example alwaysPattern(["npm", "run", "dev", "--", "-p", "3000"]) // "npm run dev *" */
export function alwaysPattern(words: readonly string[]): string | undefined {
  const [name = "", second = ""] = words;
  let length = TWO_WORDS.has(name) ? 2 : 1;
  if (THREE_WORDS.has(name) || THREE_WORDS.has(`${name} ${second}`)) length = 3;
  const prefix = words.slice(0, length).join(" ");
  return prefix === "" || /[*?]/.test(prefix) ? undefined : `${prefix} *`;
}
