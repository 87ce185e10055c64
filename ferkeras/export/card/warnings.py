"""What the card says of every network: how it may not be used, and what it cannot do."""

USES = """\
## How it may not be used

Recognising emotions from faces is regulated, and it is error-prone. Do not use this network

- **at work or in education.** In the European Union, AI systems that infer emotions of people in
  the areas of workplace and education institutions are prohibited, save for medical or safety
  reasons (Regulation (EU) 2024/1689, the AI Act, Article 5(1)(f), in force since 2 February
  2025).
- **to decide anything about a person**: hiring, credit, insurance, policing, migration, health.
  Outside the prohibition, the AI Act counts emotion recognition as high-risk (Annex III, 1(c))
  and demands that people who are exposed to it are informed (Article 50(3)). This network has gone
  through none of what the Act asks of a high-risk system. Other laws, on personal and biometric
  data above all, apply besides, in the Union and elsewhere.
- **to claim that somebody feels something, lies, or intends something.** It sorts pictures by the
  look of a face. Faces do not show reliably what people feel: Barrett et al. 2019, "Emotional
  expressions reconsidered", Psychological Science in the Public Interest 20(1).
- **on people who have not agreed** to it.

It is meant for research and teaching about classifiers. This is no legal advice.
"""

LIMITS = """\
## Limits

- The labels it was trained on are what annotators saw in a picture, and annotators disagree: on
  FER2013 people reach about 65% (Goodfellow et al. 2013). An accuracy far above that tells of
  the labels, not of emotions.
- Its probabilities are honest only for faces like those it was trained on. Other cameras, crops,
  lights, ages, skin tones, glasses, masks or cultures can change both predictions and how confident
  they sound. How it does on groups of people has not been measured.
- It predicts an emotion for every picture, also where there is no face, and knows its own
  classes only.
- Faces are expected as in training: cut out closely, upright, from the front.
"""
