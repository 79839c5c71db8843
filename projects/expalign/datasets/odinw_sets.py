"""The sets of ODinW (Object Detection in the Wild) as one table.

Facts (folders, files, categories, prompts) are those of the benchmark as GLIP (arXiv 2112.03857)
and mmdet's ODinW configs have them. Each set is evaluated on its validation split.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class ODinWSet(NamedTuple):
    """One set of the benchmark.

    Attributes:
        name: its name in figures.
        root: folder below the benchmark's root.
        ann_file: annotation file below ``root``.
        images: folder of the images below ``root``.
        split: which part of the set this is.
        classes: the names of the file's categories.
        prompts: class -> prompt, for classes that are searched for by other words than their name.
        in_odinw13: whether the set belongs to ODinW13.
        by_position: the benchmark renames the categories: class i is the category with the i-th id,
            whatever the file calls it.
    """

    name: str
    root: str
    ann_file: str
    images: str
    split: str
    classes: tuple[str, ...]
    prompts: Mapping[str, str] = {}
    in_odinw13: bool = False
    by_position: bool = False

    def texts(self, with_prompts: bool = True) -> list[str]:
        """What is searched for, class by class; names alone unless ``with_prompts``.

        A name that is only white space is always replaced, as it cannot be a prompt.
        """
        return [self.prompts.get(name, name) if with_prompts or not name.strip() else name
                for name in self.classes]

    def category_ids(self, categories: Sequence[dict], source: str) -> list[int]:
        """The ids of the classes in an annotation file.

        Names must be equal to the letter, white space included: two categories of boggleBoards
        differ in that alone.

        Args:
            categories: of the annotation file.
            source: the file, for messages.

        Raises:
            ValueError: the file's categories are not those of this set.
        """
        ids = {category['name']: category['id'] for category in categories}
        if all(name in ids for name in self.classes):
            return [ids[name] for name in self.classes]
        if self.by_position and len(categories) == len(self.classes):
            return sorted(category['id'] for category in categories)
        raise ValueError(
            f'{source} is not the file of the set {self.name} of ODinW: it has the categories '
            f'{sorted(ids)}, and the set has {list(self.classes)}')


# Annotation file, folder of the images and split, in the two layouts that occur.
VALID = ('valid/annotations_without_background.json', 'valid/', 'valid')
EXPORT = ('val_annotations_without_background.json', '', 'valid')

ODINW = (
    ODinWSet('AerialMaritimeDrone_large', 'AerialMaritimeDrone/large/', *VALID,
             ('boat', 'car', 'dock', 'jetski', 'lift'), in_odinw13=True),
    ODinWSet('AerialMaritimeDrone_tiled', 'AerialMaritimeDrone/tiled/', *VALID,
             ('boat', 'car', 'dock', 'jetski', 'lift')),
    ODinWSet('AmericanSignLanguageLetters',
             'AmericanSignLanguageLetters/American Sign Language Letters.v1-v1.coco/', *VALID,
             tuple('ABCDEFGHIJKLMNOPQRSTUVWXYZ')),
    ODinWSet('Aquarium', 'Aquarium/Aquarium Combined.v2-raw-1024.coco/', *VALID,
             ('fish', 'jellyfish', 'penguin', 'puffin', 'shark', 'starfish', 'stingray'),
             {'penguin': 'penguin, which is black and white',
              'puffin': 'puffin with orange beaks',
              'stingray': 'stingray which is flat and round'}, in_odinw13=True),
    ODinWSet('BCCD', 'BCCD/BCCD.v3-raw.coco/', *VALID, ('Platelets', 'RBC', 'WBC')),
    ODinWSet('boggleBoards', 'boggleBoards/416x416AutoOrient/export/', *EXPORT,
             ('Q', 'a', 'an', 'b', 'c', 'd', 'e', 'er', 'f', 'g', 'h', 'he', 'i', 'in', 'j', 'k',
              'l', 'm', 'n', 'o', 'o ', 'p', 'q', 'qu', 'r', 's', 't', 't\\', 'th', 'u', 'v', 'w',
              'wild', 'x', 'y', 'z')),
    ODinWSet('brackishUnderwater', 'brackishUnderwater/960x540/', *VALID,
             ('crab', 'fish', 'jellyfish', 'shrimp', 'small_fish', 'starfish')),
    # The benchmark leaves the first name blank; what the file calls it is searched for instead.
    ODinWSet('ChessPieces', 'ChessPieces/Chess Pieces.v23-raw.coco/', *VALID,
             ('  ', 'black bishop', 'black king', 'black knight', 'black pawn', 'black queen',
              'black rook', 'white bishop', 'white king', 'white knight', 'white pawn',
              'white queen', 'white rook'),
             {'  ': 'bishop'}, by_position=True),
    ODinWSet('CottontailRabbits', 'CottontailRabbits/', *VALID, ('rabbit',),
             in_odinw13=True, by_position=True),
    ODinWSet('dice', 'dice/mediumColor/export/', *EXPORT, tuple('123456')),
    ODinWSet('DroneControl', 'DroneControl/Drone Control.v3-raw.coco/', *VALID,
             ('follow', 'follow_hand', 'land', 'land_hand', 'null', 'object', 'takeoff',
              'takeoff-hand')),
    ODinWSet('EgoHands_generic', 'EgoHands/generic/', *VALID, ('hand',),
             {'hand': 'hand of a person'}, in_odinw13=True),
    ODinWSet('EgoHands_specific', 'EgoHands/specific/', *VALID,
             ('myleft', 'myright', 'yourleft', 'yourright')),
    ODinWSet('HardHatWorkers', 'HardHatWorkers/raw/', *VALID, ('head', 'helmet', 'person')),
    ODinWSet('MaskWearing', 'MaskWearing/raw/', *VALID, ('mask', 'no-mask')),
    ODinWSet('MountainDewCommercial', 'MountainDewCommercial/', *VALID, ('bottle',)),
    ODinWSet('NorthAmericaMushrooms',
             'NorthAmericaMushrooms/North American Mushrooms.v1-416x416.coco/', *VALID,
             ('flat mushroom', 'yellow mushroom'), in_odinw13=True, by_position=True),
    ODinWSet('openPoetryVision', 'openPoetryVision/512x512/', *VALID,
             ('American Typewriter', 'Andale Mono', 'Apple Chancery', 'Arial', 'Avenir',
              'Baskerville', 'Big Caslon', 'Bradley Hand', 'Brush Script MT', 'Chalkboard',
              'Comic Sans MS', 'Copperplate', 'Courier', 'Didot', 'Futura', 'Geneva', 'Georgia',
              'Gill Sans', 'Helvetica', 'Herculanum', 'Impact', 'Kefa', 'Lucida Grande',
              'Luminari', 'Marker Felt', 'Menlo', 'Monaco', 'Noteworthy', 'Optima', 'PT Sans',
              'PT Serif', 'Palatino', 'Papyrus', 'Phosphate', 'Rockwell', 'SF Pro', 'SignPainter',
              'Skia', 'Snell Roundhand', 'Tahoma', 'Times New Roman', 'Trebuchet MS', 'Verdana')),
    ODinWSet('OxfordPets_by_breed', 'OxfordPets/by-breed/', *VALID,
             ('cat-Abyssinian', 'cat-Bengal', 'cat-Birman', 'cat-Bombay', 'cat-British_Shorthair',
              'cat-Egyptian_Mau', 'cat-Maine_Coon', 'cat-Persian', 'cat-Ragdoll',
              'cat-Russian_Blue', 'cat-Siamese', 'cat-Sphynx', 'dog-american_bulldog',
              'dog-american_pit_bull_terrier', 'dog-basset_hound', 'dog-beagle', 'dog-boxer',
              'dog-chihuahua', 'dog-english_cocker_spaniel', 'dog-english_setter',
              'dog-german_shorthaired', 'dog-great_pyrenees', 'dog-havanese', 'dog-japanese_chin',
              'dog-keeshond', 'dog-leonberger', 'dog-miniature_pinscher', 'dog-newfoundland',
              'dog-pomeranian', 'dog-pug', 'dog-saint_bernard', 'dog-samoyed',
              'dog-scottish_terrier', 'dog-shiba_inu', 'dog-staffordshire_bull_terrier',
              'dog-wheaten_terrier', 'dog-yorkshire_terrier')),
    ODinWSet('OxfordPets_by_species', 'OxfordPets/by-species/', *VALID, ('cat', 'dog')),
    ODinWSet('PKLot', 'PKLot/640/', *VALID, ('space-empty', 'space-occupied')),
    ODinWSet('Packages', 'Packages/Raw/', *VALID, ('package',),
             {'package': 'there is a package on the porch'}, in_odinw13=True),
    ODinWSet('PascalVOC', 'PascalVOC/', *VALID,
             ('aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow',
              'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa',
              'train', 'tvmonitor'), in_odinw13=True),
    ODinWSet('pistols', 'pistols/export/', *EXPORT, ('pistol',), in_odinw13=True),
    ODinWSet('plantdoc', 'plantdoc/416x416/', *VALID,
             ('Apple Scab Leaf', 'Apple leaf', 'Apple rust leaf', 'Bell_pepper leaf',
              'Bell_pepper leaf spot', 'Blueberry leaf', 'Cherry leaf', 'Corn Gray leaf spot',
              'Corn leaf blight', 'Corn rust leaf', 'Peach leaf', 'Potato leaf',
              'Potato leaf early blight', 'Potato leaf late blight', 'Raspberry leaf',
              'Soyabean leaf', 'Soybean leaf', 'Squash Powdery mildew leaf', 'Strawberry leaf',
              'Tomato Early blight leaf', 'Tomato Septoria leaf spot', 'Tomato leaf',
              'Tomato leaf bacterial spot', 'Tomato leaf late blight', 'Tomato leaf mosaic virus',
              'Tomato leaf yellow virus', 'Tomato mold leaf',
              'Tomato two spotted spider mites leaf', 'grape leaf', 'grape leaf black rot')),
    ODinWSet('pothole', 'pothole/', *VALID, ('pothole',),
             {'pothole': 'there are some holes on the road'}, in_odinw13=True),
    ODinWSet('Raccoon', 'Raccoon/Raccoon.v2-raw.coco/', *VALID, ('raccoon',), in_odinw13=True),
    ODinWSet('selfdrivingCar', 'selfdrivingCar/fixedLarge/export/', *EXPORT,
             ('biker', 'car', 'pedestrian', 'trafficLight', 'trafficLight-Green',
              'trafficLight-GreenLeft', 'trafficLight-Red', 'trafficLight-RedLeft',
              'trafficLight-Yellow', 'trafficLight-YellowLeft', 'truck')),
    ODinWSet('ShellfishOpenImages', 'ShellfishOpenImages/raw/', *VALID,
             ('Crab', 'Lobster', 'Shrimp'), in_odinw13=True),
    ODinWSet('ThermalCheetah', 'ThermalCheetah/', *VALID, ('cheetah', 'human')),
    ODinWSet('thermalDogsAndPeople', 'thermalDogsAndPeople/', *VALID, ('dog', 'person'),
             in_odinw13=True),
    ODinWSet('UnoCards', 'UnoCards/raw/', *VALID, tuple(str(number) for number in range(15))),
    ODinWSet('VehiclesOpenImages', 'VehiclesOpenImages/416x416/', *VALID,
             ('Ambulance', 'Bus', 'Car', 'Motorcycle', 'Truck'), in_odinw13=True),
    ODinWSet('WildfireSmoke', 'WildfireSmoke/', *VALID, ('smoke',)),
    ODinWSet('websiteScreenshots', 'websiteScreenshots/', *VALID,
             ('button', 'field', 'heading', 'iframe', 'image', 'label', 'link', 'text')),
)

# Three sets of ODinW13 in folders of their own, not the benchmark's: Raccoon is not split there.
ODINW_LOCAL = (
    ODinWSet('Raccoon', 'Raccoon/', 'annotations.json', 'images/', 'all', ('raccoon',),
             in_odinw13=True),
    ODinWSet('Packages', 'Packages/', *VALID, ('package',),
             {'package': 'there is a package on the porch'}, in_odinw13=True),
    ODinWSet('thermalDogsAndPeople', 'thermalDogsAndPeople/', *VALID, ('dog', 'person'),
             in_odinw13=True),
)

ODINW_TABLES = {
    'odinw13': tuple(row for row in ODINW if row.in_odinw13),
    'odinw35': ODINW,
    'local': ODINW_LOCAL,
}
