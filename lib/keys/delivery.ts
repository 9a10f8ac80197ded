/**
 * Signatures are handed back several at a time. They are made beside the JavaScript thread, on the same processors: to wake it for
 * each of them costs a client's token a quarter more of it.
 */

const most = 8
let underWay = 0
let done: (() => void)[] = []

const deliver = () => {
  const all = done
  done = []
  for (const settle of all) settle()
}

/**
 * Settles as `work` does, when eight have ended or no other is under way: nothing waits for longer than eight signatures
 * take, and one that is alone does not wait.
 */
export const inGroups = <T>(work: Promise<T>): Promise<T> => {
  underWay += 1
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      underWay -= 1
      done.push(settle)
      if (done.length >= most || underWay === 0) deliver()
    }
    work.then(
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    )
  })
}
